"""Frames that cameras suggest: exact for exact cameras, hardly moved by wrong ones."""

from __future__ import annotations

import torch
from torch import Tensor

from nsg_cluster.data.photographs.normalize import Similarity, camera_frame, viewed_point
from nsg_cluster.geometry.poses import sphere_views

MIDDLE = torch.tensor([3.0, -2.0, 5.0], dtype=torch.float64)


def around(count: int = 40) -> Tensor:
    return sphere_views(MIDDLE, 2.5, count, elevations_deg=(5, 60))


def turned() -> Tensor:
    """Some rotation."""
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64))
    proper: Tensor = q * torch.linalg.det(q)
    return proper


def test_cameras_around_a_point_look_at_it() -> None:
    point = viewed_point(around())
    assert point is not None
    torch.testing.assert_close(point, MIDDLE, rtol=0, atol=1e-9)


def test_a_fifth_of_wrong_poses_hardly_moves_the_frame() -> None:
    poses = around()
    wrong = poses.clone()
    wrong[::5, :, 3] += torch.tensor([40.0, 25.0, -60.0])
    frame = camera_frame(wrong)
    assert float((frame.center - MIDDLE).norm()) < 0.05
    # Nine of ten cameras cannot be near where two of ten are far: the scale follows the far ones then, not the middle.
    single = poses.clone()
    single[7, :, 3] += 1000.0
    assert abs(camera_frame(single).scale * 2.5 - 1) < 0.05


def test_parallel_axes_meet_nowhere() -> None:
    poses = torch.eye(3, 4, dtype=torch.float64).repeat(9, 1, 1)
    poses[:, :2, 3] = torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0)).double()
    assert viewed_point(poses) is None
    torch.testing.assert_close(camera_frame(poses).center, torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64))


def test_the_frame_does_not_depend_on_that_of_the_file() -> None:
    poses = around()
    other = Similarity(scale=7.0, rotation=turned(), center=torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    here, there = (camera_frame(each).poses(each) for each in (poses, other.poses(poses)))
    # Both have z up and the same middle and scale; a turn about z is free.
    torch.testing.assert_close(here[:, 2], there[:, 2], rtol=0, atol=1e-6)
    torch.testing.assert_close(here[:, :, 3].norm(dim=1), there[:, :, 3].norm(dim=1))
    assert float(here[:, :, 3].norm(dim=1).quantile(0.9)) <= 1 + 1e-9


def test_upside_down_cameras_are_turned_upright() -> None:
    poses = around() * torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64)
    upright = camera_frame(poses).poses(poses)
    assert bool((upright[:, 2, 1] > 0).all())
    torch.testing.assert_close(torch.linalg.det(upright[:, :, :3]), torch.ones(40, dtype=torch.float64))
