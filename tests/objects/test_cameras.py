"""Cameras around a model: rigid, spread evenly, the same for the same seed."""

from __future__ import annotations

import math

import pytest
import torch

from nsg_cluster.config.objects import ObjectCamerasConfig, ObjectsData
from nsg_cluster.geometry.poses import check_rigid, orbit
from nsg_cluster.objects.cameras import poses


def data(**cameras: object) -> ObjectsData:
    return ObjectsData(
        kind="objects",
        out="x",
        views=400,
        val_views=5,
        test_views=8,
        cameras=ObjectCamerasConfig.model_validate(cameras),
    )


def tensors(settings: ObjectsData, split: str) -> torch.Tensor:
    return torch.tensor(poses(settings)[split], dtype=torch.float64)


@pytest.mark.parametrize("surface", ["sphere", "half_sphere"])
def test_every_pose_is_rigid_and_looks_at_the_origin_from_the_radius(surface: str) -> None:
    for split in ("train", "val", "test"):
        for pose in tensors(data(surface=surface, radius=2.5), split):
            check_rigid(torch.cat([pose, torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)]))
            torch.testing.assert_close(pose[:, 3], 2.5 * pose[:, 2])
            assert pose[2, 1] >= 0.0, "the top of the image is up"


def test_the_turntable_is_one_turn_in_order_that_begins_in_front() -> None:
    turn = tensors(data(elevation_deg=20.0), "test")
    expected = orbit(torch.zeros(3, dtype=torch.float64), 3.0, 20.0, 8)
    torch.testing.assert_close(turn, expected.roll(2, dims=0))
    assert turn[0, 1, 3] < 0.0
    assert abs(float(turn[0, 0, 3])) < 1e-12


@pytest.mark.parametrize(("surface", "lowest"), [("sphere", -1.0), ("half_sphere", 0.0)])
def test_heights_are_uniform_which_is_even_by_area(surface: str, lowest: float) -> None:
    heights = tensors(data(surface=surface), "train")[:, 2, 2].sort().values
    expected = torch.linspace(lowest, 1.0, 400, dtype=torch.float64)
    assert float((heights - expected).abs().max()) < 2.0 * (1.0 - lowest) / 400
    azimuth = torch.atan2(tensors(data(surface=surface), "train")[:, 1, 2], tensors(data(), "train")[:, 0, 2])
    assert float(torch.stack([azimuth.cos(), azimuth.sin()]).mean(dim=1).norm()) < 0.1


def test_a_seed_fixes_the_cameras_and_splits_differ() -> None:
    assert poses(data(seed=3)) == poses(data(seed=3))
    assert poses(data(seed=3))["train"] != poses(data(seed=4))["train"]
    assert poses(data(seed=3))["test"] == poses(data(seed=4))["test"]
    assert poses(data())["train"][0] != poses(data())["val"][0]


def test_a_camera_at_the_pole_has_a_pose() -> None:
    for pose in tensors(data(elevation_deg=89.0), "test"):
        assert math.isclose(float(torch.linalg.det(pose[:, :3])), 1.0)
