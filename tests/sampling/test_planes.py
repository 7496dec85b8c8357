"""Planes across the road, against the numbers of the original for KITTI 0006."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nsg_cluster.geometry.rays import Rays, midpoints
from nsg_cluster.sampling.planes import PlaneSampler, planes_of
from tests.models import official


def forward(x: list[float]) -> torch.Tensor:
    """Poses of cameras on the x axis that look along it."""
    axes = torch.tensor([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
    return torch.stack([torch.cat([axes, torch.tensor([[at], [0.0], [0.0]])], dim=1) for at in x])


def rays(origins: list[list[float]], directions: list[list[float]]) -> Rays:
    along = torch.tensor(directions)
    return Rays(
        origins=torch.tensor(origins),
        directions=along / along.norm(dim=1, keepdim=True),
        radii=torch.ones(len(along)),
        images=torch.zeros(len(along), dtype=torch.long),
    )


def test_kitti_0006_has_the_planes_of_the_original(data_root: Path) -> None:
    sampler = planes_of(official.scene(data_root).train.cameras.camera_to_world[:56], near=0.5, far=150.0, count=6)
    assert float(sampler.spacing) == pytest.approx(29.9)
    assert int(sampler.last) == 7


def test_a_ray_meets_the_planes_before_its_camera_and_always_the_last() -> None:
    sampler = PlaneSampler(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 0.0, 0.0]), count=3, spacing=10.0, last=7)
    seen = rays([[0.0, 2.0, 0.0], [15.0, 0.0, 0.0]], [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    places = midpoints(seen, sampler.place(seen, near=1.0, far=99.0).samples)
    assert places.view(2, 3, 3)[:, :, 0].tolist() == [
        pytest.approx([1.0, 11.0, 71.0]),
        pytest.approx([21.0, 31.0, 71.0]),
    ]


def test_a_camera_that_stands_still_and_a_ray_along_the_planes_do_no_harm() -> None:
    sampler = planes_of(forward([0.0, 0.0, 0.0]), near=1.0, far=10.0, count=4)
    seen = rays([[0.0, 0.0, 0.0]] * 2, [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    assert sampler.place(seen, near=1.0, far=10.0).samples.starts.isfinite().all()
    assert int(sampler.last) == 5
