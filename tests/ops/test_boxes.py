"""Rays through oriented boxes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.boxes import intersect_boxes
from nsg_cluster.ops.march import intersect_box


def world_to_box(center: tuple[float, float, float], half: tuple[float, float, float], yaw: float = 0.0) -> Tensor:
    """Return the map from the world to the unit cube of a box turned about z."""
    c, s = math.cos(yaw), math.sin(yaw)
    turned = torch.tensor([[c, s, 0], [-s, c, 0], [0, 0, 1]]) / torch.tensor(half).float()[:, None]
    return torch.cat([turned, -(turned @ torch.tensor(center).float())[:, None]], dim=1)


def random_boxes(count: int, generator: Generator) -> Tensor:
    rotations = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator)).Q
    scaled = rotations / (0.3 + torch.rand(count, 3, 1, generator=generator))
    return torch.cat([scaled, -scaled @ torch.randn(count, 3, 1, generator=generator)], dim=2)


def test_a_turned_box_is_hit_on_its_corner(backend: str) -> None:
    boxes = torch.stack([world_to_box((5, 0, 0), (1, 1, 1), math.pi / 4), world_to_box((0, 3, 0), (2, 1, 1))])
    origins, directions = torch.tensor([[0.0, 0, 0], [0.0, 3, 0]]), torch.tensor([[1.0, 0, 0], [0.0, 1, 0]])
    near, far = intersect_boxes(origins, directions, boxes, torch.tensor([[0, 1, -1], [1, 0, -1]]))
    root = math.sqrt(2)
    torch.testing.assert_close(near, torch.tensor([[5 - root, 0, 0], [0, 0, 0]]))
    torch.testing.assert_close(far, torch.tensor([[5 + root, 0, 0], [1, 0, 0]]))


def test_boxes_along_the_axes_are_the_axis_aligned_case(backend: str, generator: Generator) -> None:
    origins, directions = torch.randn(100, 3, generator=generator), torch.randn(100, 3, generator=generator)
    lower, upper = torch.tensor([-1.0, -2, 0]), torch.tensor([2.0, 1, 0.5])
    box = torch.diag(2 / (upper - lower))
    map_to_box = torch.cat([box, -(box @ ((lower + upper) / 2))[:, None]], dim=1)
    wanted = intersect_box(origins, directions, torch.stack([lower, upper]))
    found = intersect_boxes(origins, directions, map_to_box[None], torch.zeros(100, 1, dtype=torch.int64))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a[:, 0], b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("rays", "slots", "boxes"), [(0, 4, 3), (1, 1, 1), (200, 5, 20), (10, 0, 2), (10, 3, 0)])
def test_backends_agree(agree: Callable[..., None], generator: Generator, rays: int, slots: int, boxes: int) -> None:
    maps = random_boxes(boxes, generator)
    # Most rays toward the middle, so that many hit; a graze may fall on either side of rounding, so away from it.
    origins = 4 * torch.nn.functional.normalize(torch.randn(rays, 3, generator=generator), dim=1)
    candidates = torch.randint(-1, boxes, (rays, slots), generator=generator)
    agree(lambda o, m: intersect_boxes(o, -o, m, candidates), (origins, maps), tolerance=1e-4)


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None, generator: Generator) -> None:
    maps, origins = random_boxes(3, generator), torch.zeros(2, 3)
    with pytest.raises(ValueError, match="candidates holds indices from 0 to 3, expected -1 to 2"):
        intersect_boxes(origins, origins, maps, torch.tensor([[0], [3]]))
    with pytest.raises(ValueError, match=r"world_to_box has shape \(3, 4, 4\), expected \(boxes, 3, 4\)"):
        intersect_boxes(origins, origins, torch.zeros(3, 4, 4), torch.tensor([[0], [1]]))
    with pytest.raises(ValueError, match=r"candidates has shape \(1, 1\), expected \(rays=2, slots\)"):
        intersect_boxes(origins, origins, maps, torch.tensor([[0]]))
