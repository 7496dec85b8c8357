"""Objects that begin where a start was learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nsg_cluster.config.compose import dump
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.scene_graph import SceneGraph
from nsg_cluster.training.state import new_state
from tests.models import street
from tests.training.test_reptile import DRIVE, MODELS, learned, learner, snapshot_of


def beginner(model: dict[str, Any], start: RunPaths | None) -> SceneGraph:
    objects = model["objects"] | ({"start_from": str(start.root)} if start else {})
    experiment = Experiment.model_validate({"name": "new", "data": DRIVE, "model": model | {"objects": objects}})
    built = new_state(experiment, load_scene(experiment.data, with_images=False), torch.device("cpu")).model
    assert isinstance(built, SceneGraph)
    return built


@MODELS
def test_every_object_of_a_new_scene_begins_where_the_start_was_learned(model: dict[str, Any], tmp_path: Path) -> None:
    run = learned(tmp_path / "run", model)
    start = snapshot_of(run, learner(model))
    fresh, begun = beginner(model, None), beginner(model, run)
    for name, parameter in begun.objects.named_parameters():
        source = start["objects." + (name.replace("grids.1.", "grids.0.") if "grids" in name else name)]
        if name == "latents":
            assert fresh.objects.latents is not None
            torch.testing.assert_close(parameter, fresh.objects.latents + source)
            assert not torch.equal(parameter[0], parameter[1]), "objects that share a network can still part"
        else:
            torch.testing.assert_close(parameter, source.expand_as(parameter), rtol=0, atol=0)
    for name, parameter in begun.background.named_parameters():
        assert torch.equal(parameter, dict(fresh.background.named_parameters())[name])


def test_a_start_that_does_not_fit_is_refused_in_one_sentence(tmp_path: Path) -> None:
    run = learned(tmp_path / "run", street.FAST)
    wider = street.FAST | {"objects": street.FAST["objects"] | {"field": {"kind": "hash", "hidden_width": 16}}}
    with pytest.raises(ConfigError, match=r"start_from: the objects of the run in .* another shape \('grids.0.table'"):
        beginner(wider, run)
    with pytest.raises(ConfigError, match=r"another shape \('latents' is \(1, 2\) there, and \(2, 3\) here\)"):
        beginner(street.FAST | {"objects": street.FAST["objects"] | {"latent": 3}}, run)
    with pytest.raises(ConfigError, match=r"another shape \('latents' is there, and not here\)"):
        beginner(street.FAST | {"objects": street.FAST["objects"] | {"latent": 0}}, run)
    with pytest.raises(ConfigError, match="is not the folder of a run"):
        beginner(street.FAST, RunPaths(tmp_path / "nothing"))
    other = RunPaths(tmp_path / "other")
    other.task(0).root.mkdir(parents=True)
    other.task(0).spec.write_text(dump(Experiment.model_validate({"name": "x", "data": DRIVE, "model": street.FAST})))
    with pytest.raises(ConfigError, match="has learned no start: it was trained without"):
        beginner(street.FAST, other)
