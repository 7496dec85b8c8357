"""Oriented boxes between the world and the unit cube."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nsg_cluster.geometry.boxes import (
    EDGES,
    box_corners,
    box_to_world,
    mapped_directions,
    mapped_points,
    world_to_box,
)


def turned(angle_rad: float, center: tuple[float, float, float]) -> Tensor:
    """Return the pose of an object that is turned about the y axis."""
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    rotation = torch.tensor([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]], dtype=torch.float64)
    return torch.cat([rotation, torch.tensor(center, dtype=torch.float64)[:, None]], dim=1)


POSES = torch.stack([turned(0.0, (1, 2, 3)), turned(0.7, (-4, 0.5, 30))])
SIZES = torch.tensor([[4.0, 1.5, 2.0], [8.0, 3.0, 2.5]], dtype=torch.float64)


def test_the_corners_of_a_box_are_the_corners_of_the_cube() -> None:
    corners = box_corners(POSES, SIZES)
    which = torch.arange(2).repeat_interleave(8)
    cube = mapped_points(world_to_box(POSES, SIZES), corners.reshape(-1, 3), which)
    torch.testing.assert_close(cube.abs(), torch.ones(16, 3, dtype=torch.float64))
    assert len({tuple(row) for row in cube[:8].round().tolist()}) == 8
    torch.testing.assert_close(corners[0].amin(0), torch.tensor([-1.0, 1.25, 2.0], dtype=torch.float64))


def test_edges_are_as_long_as_the_sides() -> None:
    corners = box_corners(POSES, SIZES)[1]
    lengths = sorted(float((corners[a] - corners[b]).norm()) for a, b in EDGES)
    torch.testing.assert_close(torch.tensor(lengths), torch.tensor([2.5] * 4 + [3.0] * 4 + [8.0] * 4))


def test_the_maps_are_each_others_inverses_and_directions_ignore_the_place() -> None:
    points = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    which = torch.arange(20) % 2
    there = mapped_points(world_to_box(POSES, SIZES), points, which)
    torch.testing.assert_close(mapped_points(box_to_world(POSES, SIZES), there, which), points)
    moved = mapped_points(world_to_box(POSES, SIZES), points + 1.0, which)
    ones = torch.ones(20, 3, dtype=torch.float64)
    torch.testing.assert_close(moved - there, mapped_directions(world_to_box(POSES, SIZES), ones, which))


def test_the_map_into_the_cube_has_gradients_for_pose_refinement() -> None:
    poses, sizes = POSES.clone().requires_grad_(), SIZES.clone().requires_grad_()
    assert torch.autograd.gradcheck(world_to_box, (poses, sizes))
