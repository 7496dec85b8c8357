"""``data.kind`` to loader."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nsg_cluster.config.schema import BlenderData, SyntheticData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.photographs.blender import write_blender


def test_each_kind_of_data_goes_to_its_loader(tmp_path: Path) -> None:
    made = load_scene(SyntheticData(image_size=8, train_views=2, test_views=1, supersample=1))
    write_blender(made, tmp_path)
    read = load_scene(BlenderData(kind="blender", root=str(tmp_path)))
    assert torch.equal(made.train.images, read.train.images)
    with pytest.raises(DataError, match=r"data\.root"):
        load_scene(BlenderData(kind="blender", root=str(tmp_path / "absent")))
