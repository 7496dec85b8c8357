"""Maps of the nodes of a scene graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.build import build_model
from nsg_cluster.outputs.node_pictures import NodeWriter, palette
from nsg_cluster.render.image import render_image
from tests.models import street
from tests.training.tiny import tiny


def test_pixels_tell_their_object_by_the_number_of_its_track(tmp_path: Path) -> None:
    graph = street.graph(street.FAST).eval()
    writer = NodeWriter(tmp_path, "drive", graph, ("right_000041",))
    rendering = render_image(graph, street.scene().train.cameras, 1, background=0.0, chunk=16, with_nodes=True)
    assert rendering.node_opacity is not None
    shares = torch.zeros_like(rendering.node_opacity)
    shares[..., 0], shares[2, 3, 0], shares[2, 3, 2] = 1.0, 0.2, 0.8
    writer.add(replace(rendering, node_opacity=shares))
    table, *maps = writer.written
    assert len(maps) == 4 and all(path.stem == "right_000041" for path in maps)
    rows = [[float(word) for word in line.split()] for line in table.read_text().splitlines()]
    assert rows == [pytest.approx([8, 1, 1, 0, 7, 4, 2, 2, 1])], "what is there in the first picture"
    with PIL.Image.open(tmp_path / "drive_instance_ids" / "right_000041.png") as picture:
        numbers = np.asarray(picture)
    assert numbers[2, 3] == numbers.sum() == 8, "track 7, and nothing else"
    with np.load(tmp_path / "drive_opacities" / "right_000041.npz") as arrays:
        assert sorted(arrays.files) == ["background", "track_3", "track_7"]
        assert arrays["track_7"][2, 3] == 204 and arrays["background"][0, 0] == 255
    with PIL.Image.open(tmp_path / "drive_classes" / "right_000041.png") as picture:
        assert tuple(np.asarray(picture)[2, 3]) == tuple(palette(3)[2])


def test_a_model_without_nodes_is_refused(tmp_path: Path) -> None:
    model = build_model(tiny().model, load_scene(tiny().data))
    with pytest.raises(ConfigError, match=r"render\.nodes: only a model of kind 'scene_graph' has nodes"):
        NodeWriter(tmp_path, "orbit", model, None)
