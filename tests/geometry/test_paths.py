"""Camera paths: where they go, what they look at, and that they close."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nsg_cluster.geometry.paths import ellipse, mean_pose, spiral, through
from nsg_cluster.geometry.poses import look_at, sphere_views

CENTER = torch.tensor([0.5, -0.3, 0.2], dtype=torch.float64)


def forward_cameras() -> Tensor:
    """Cameras on a plane that look along -z."""
    eyes = torch.cartesian_prod(torch.linspace(-1, 1, 5), torch.linspace(-0.5, 0.5, 5), torch.zeros(1)).double()
    turned = torch.eye(3, dtype=torch.float64).expand(len(eyes), 3, 3)
    return torch.cat([turned, eyes[:, :, None]], dim=2)


def assert_rigid(poses: Tensor) -> None:
    rotations = poses[:, :, :3]
    torch.testing.assert_close(
        rotations @ rotations.transpose(1, 2), torch.eye(3, dtype=poses.dtype).expand_as(rotations)
    )
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(len(poses), dtype=poses.dtype))


def miss(poses: Tensor, target: Tensor) -> Tensor:
    """Distance of a point from each viewing axis, where it lies ahead."""
    to_target = target - poses[:, :, 3]
    ahead = -(to_target * poses[:, :, 2]).sum(1)
    assert bool((ahead > 0).all())
    distance: Tensor = (to_target + ahead[:, None] * poses[:, :, 2]).norm(dim=1)
    return distance


def test_the_mean_of_cameras_that_face_forward_faces_forward() -> None:
    torch.testing.assert_close(mean_pose(forward_cameras()), torch.eye(3, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match="all directions"):
        mean_pose(torch.cat([forward_cameras(), forward_cameras() * torch.tensor([-1.0, 1.0, -1.0, 1.0])]))


def test_a_spiral_stays_among_the_cameras_and_looks_at_one_point() -> None:
    path = spiral(forward_cameras(), 40, focus=5.0)
    assert_rigid(path)
    assert float(miss(path, torch.tensor([0.0, 0.0, -5.0]).double()).max()) < 1e-9
    assert bool((path[:, :, 3].abs() <= torch.tensor([1.0, 0.5, 1e-9])).all())
    # Two turns: the same place after half of the frames.
    torch.testing.assert_close(path[:20, :2, 3], path[20:, :2, 3])


def test_an_ellipse_is_as_wide_as_the_cameras_stand_and_has_even_steps() -> None:
    eyes = sphere_views(torch.zeros(3), 1.0, 200, elevations_deg=(10, 40))[:, :, 3].double()
    eyes = eyes * torch.tensor([3.0, 1.0, 1.0]) + CENTER
    cameras = look_at(eyes, CENTER, torch.tensor([0.0, 0.0, 1.0]).double())
    path = ellipse(cameras, CENTER, 48)
    assert_rigid(path)
    assert float(miss(path, CENTER).max()) < 1e-9
    offsets = path[:, :, 3] - CENTER
    assert 2.4 < float(offsets[:, 0].max()) < 3.0
    assert 0.8 < float(offsets[:, 1].max()) < 1.0
    steps = (path.roll(-1, 0) - path)[:, :, 3].norm(dim=1)
    assert float(steps.max() / steps.min()) < 1.05
    higher, lower = (ellipse(cameras, CENTER, 4, height=h)[0, 2, 3] for h in (1.0, -1.0))
    assert float(lower) < float(path[0, 2, 3]) < float(higher)


def test_a_way_leads_through_its_poses_and_is_smooth() -> None:
    given = sphere_views(CENTER, 2.0, 5, elevations_deg=(10, 60))
    way = through(given, 4 * 25 + 1)
    assert_rigid(way)
    torch.testing.assert_close(way[::25], given)
    seconds = (way[2:] - 2 * way[1:-1] + way[:-2]).flatten(1).norm(dim=1)
    firsts = (way[1:] - way[:-1]).flatten(1).norm(dim=1)
    assert float(seconds.max()) < 0.3 * float(firsts.max())
    with pytest.raises(ValueError, match="at least two"):
        through(given[:1], 5)


def test_a_way_between_two_poses_turns_evenly() -> None:
    angle = math.radians(80)
    turned = torch.eye(3, 4, dtype=torch.float64).repeat(2, 1, 1)
    turned[1, :, :3] = torch.tensor(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    turned[1, :, 3] = torch.tensor([4.0, 0.0, 0.0])
    way = through(turned, 5)
    torch.testing.assert_close(way[:, 0, 3], torch.linspace(0, 4, 5).double())
    torch.testing.assert_close(torch.atan2(way[:, 1, 0], way[:, 0, 0]), torch.linspace(0, angle, 5).double())
