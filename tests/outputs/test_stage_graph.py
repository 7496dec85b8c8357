"""A scene graph made ready for the pictures of a path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nsg_cluster.config.edits import EditConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.build import build_model
from nsg_cluster.outputs.stage_graph import stage_graph
from tests.models import street
from tests.training.tiny import tiny


def edits(*documents: dict[str, object]) -> tuple[EditConfig, ...]:
    return tuple(EditConfig.model_validate(document) for document in documents)


def test_each_picture_has_a_table_of_its_own() -> None:
    graph, scene = street.graph(street.FAST).eval(), street.scene()
    cameras = scene.train.cameras[torch.tensor([1, 1, 0])]
    staged = stage_graph(graph, scene, cameras, edits({"remove": 3}))
    assert staged.frames is not None and staged.frames.tolist() == [0, 1, 2]
    assert graph.shown.placements.objects.tolist() == [1, 1, 1] and graph.shown.placements.num_frames == 3
    assert len(graph.observed) == 3, "what was observed stays as it was"


def test_an_object_of_this_run_can_be_put_in_once_more() -> None:
    graph, scene = street.graph(street.FAST).eval(), street.scene()
    stage_graph(graph, scene, scene.train.cameras, edits({"insert": {"track": 3, "at": [5, 1, 3]}}))
    rows = graph.shown.placements
    assert rows.objects.tolist() == [1, 0, 1, 0, 0]
    with pytest.raises(ConfigError, match="there is no track 9 in this run; it has: 3, 7"):
        stage_graph(graph, scene, scene.train.cameras, edits({"insert": {"track": 9, "at": [5, 1, 3]}}))


def test_edits_need_a_scene_graph_and_a_run(tmp_path: Path) -> None:
    plain, scene = build_model(tiny().model, load_scene(tiny().data)), street.scene()
    cameras = replace(scene.train.cameras, frames=None)
    assert stage_graph(plain, scene, cameras, ()) is cameras
    with pytest.raises(ConfigError, match="only a model of kind 'scene_graph'"):
        stage_graph(plain, scene, cameras, edits({"remove": 3}))
    other = edits({"insert": {"from": str(tmp_path), "track": 3, "at": [0, 0, 0]}})
    with pytest.raises(ConfigError, match="is not the folder of a run"):
        stage_graph(street.graph(street.FAST), scene, scene.train.cameras, other)
