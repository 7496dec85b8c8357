"""Upkeep of an occupancy grid."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.occupancy import is_invisible, update_occupancy


def test_cells_fade_rise_and_stay_unseen_by_hand(backend: str) -> None:
    grid = torch.tensor([1.0, 1.0, 4.0, -1.0, 0.0])
    cells, values = torch.tensor([1, 2, 1, 3, 4, 1]), torch.tensor([0.2, 3.0, 7.0, 9.0, 0.25, 5.0])
    assert update_occupancy(grid, cells, values, 0.5).tolist() == [0.5, 7.0, 3.0, -1.0, 0.25]


def test_the_order_of_visits_does_not_matter(backend: str, generator: Generator) -> None:
    grid, cells = torch.rand(50, generator=generator), torch.randint(50, (2000,), generator=generator)
    values, order = torch.rand(2000, generator=generator), torch.randperm(2000, generator=generator)
    wanted = update_occupancy(grid, cells, values, 0.9)
    assert torch.equal(update_occupancy(grid, cells[order], values[order], 0.9), wanted)


@pytest.mark.parametrize(("cells", "visits"), [(8, 0), (1, 5), (4096, 30000)])
def test_backends_agree_on_updates(agree: Callable[..., None], generator: Generator, cells: int, visits: int) -> None:
    grid = torch.rand(cells, generator=generator) - 0.2
    visited = torch.randint(cells, (visits,), generator=generator)
    values = torch.rand(visits, generator=generator) * 2
    agree(lambda g, v: update_occupancy(g, visited, v, 0.95), (grid, values), exact=True)


def cameras(count: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return poses, focal lengths and centers of cameras around the origin that look roughly at it."""
    rotations = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator)).Q
    rotations[:, :, 0] *= torch.linalg.det(rotations)[:, None]
    positions = rotations[:, :, 2:] * 3
    focal = torch.full((count, 2), 40.0)
    return torch.cat([rotations, positions], dim=2), focal, torch.full((count, 2), 16.0)


def test_what_is_behind_beside_or_too_near_is_invisible(backend: str) -> None:
    pose = torch.tensor([[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]])  # at the origin, looking along -z
    points = torch.tensor([[0.0, 0, -2], [0, 0, 2], [0, 0, -0.05], [0.9, 0, -2], [1.1, 0, -2], [0, 1.1, -2]])
    found = is_invisible(
        points, pose, torch.tensor([[10.0, 10]]), torch.tensor([[5.0, 5]]), width=10, height=10, near=0.1
    )
    assert found.tolist() == [False, True, True, False, True, True]


def test_a_point_needs_one_camera_that_sees_it_and_none_that_is_too_near(backend: str) -> None:
    pose = torch.tensor([[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, z]] for z in (0.0, -1.95, -5.0)])
    focal, center = torch.full((3, 2), 10.0), torch.full((3, 2), 5.0)
    points = torch.tensor([[0.0, 0, -2], [0.0, 0, -3]])
    found = is_invisible(points, pose, focal, center, width=10, height=10, near=0.1)
    assert found.tolist() == [True, False]


@pytest.mark.parametrize(("points", "images"), [(0, 3), (1, 1), (1000, 7), (5, 0)])
def test_backends_agree_on_visibility(
    agree: Callable[..., None], generator: Generator, points: int, images: int
) -> None:
    pose, focal, center = cameras(images, generator)
    agree(
        lambda p: is_invisible(p, pose, focal, center, width=32, height=32, near=1.5),
        (2 * torch.randn(points, 3, generator=generator),),
    )


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None, generator: Generator) -> None:
    grid = torch.zeros(4)
    with pytest.raises(ValueError, match="update_occupancy: cells holds indices from 1 to 4, expected 0 to 3"):
        update_occupancy(grid, torch.tensor([1, 4]), torch.ones(2), 0.5)
    with pytest.raises(ValueError, match=r"values has shape \(3,\), expected \(visits=2\)"):
        update_occupancy(grid, torch.tensor([1, 2]), torch.ones(3), 0.5)
    with pytest.raises(ValueError, match=r"decay is 1\.5, expected 0 to 1"):
        update_occupancy(grid, torch.tensor([1, 2]), torch.ones(2), 1.5)
    pose, focal, center = cameras(2, generator)
    with pytest.raises(ValueError, match=r"is_invisible: focal_px has shape \(1, 2\), expected \(images=2, 2\)"):
        is_invisible(torch.zeros(1, 3), pose, focal[:1], center, width=4, height=4, near=math.inf)
