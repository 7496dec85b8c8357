"""Oriented boxes: between the world, the object and the cube from -1 to 1.

The frame of an object has its origin in the middle of its box, x along its length (forward), y along its height and z
along its width. A box is a rigid map from the object's frame to the world and its sizes, in that order.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["EDGES", "box_corners", "box_to_world", "mapped_directions", "mapped_points", "world_to_box"]

EDGES = ((0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4), (0, 4), (1, 5), (2, 6), (3, 7))
"""Pairs of corners, as `box_corners` counts them, that the edges of a box join."""


def world_to_box(
    object_to_world: Float[Tensor, "boxes 3 4"], sizes: Float[Tensor, "boxes 3"]
) -> Float[Tensor, "boxes 3 4"]:
    """Return the affine maps under which each box becomes the cube from -1 to 1; differentiable in poses and sizes.

    ``p -> 2 / size * R^T (p - center)`` (Neural Scene Graphs, arXiv:2011.10379, eq. 3).
    """
    inverse = object_to_world[:, :, :3].mT
    moved = -torch.einsum("bij,bj->bi", inverse, object_to_world[:, :, 3])
    return (2.0 / sizes)[:, :, None] * torch.cat([inverse, moved[:, :, None]], dim=-1)


def box_to_world(
    object_to_world: Float[Tensor, "boxes 3 4"], sizes: Float[Tensor, "boxes 3"]
) -> Float[Tensor, "boxes 3 4"]:
    """Return the inverse maps, which take the cube from -1 to 1 to each box."""
    rotation = object_to_world[:, :, :3] * (0.5 * sizes)[:, None, :]
    return torch.cat([rotation, object_to_world[:, :, 3:]], dim=-1)


def mapped_points(
    maps: Float[Tensor, "boxes 3 4"], points: Float[Tensor, "points 3"], boxes: Int[Tensor, " points"]
) -> Float[Tensor, "points 3"]:
    """Return each point under the map of its box."""
    chosen = maps[boxes]
    return torch.einsum("pij,pj->pi", chosen[:, :, :3], points) + chosen[:, :, 3]


def mapped_directions(
    maps: Float[Tensor, "boxes 3 4"], directions: Float[Tensor, "points 3"], boxes: Int[Tensor, " points"]
) -> Float[Tensor, "points 3"]:
    """Return each direction under the linear part of the map of its box; its length changes with the map's scale."""
    return torch.einsum("pij,pj->pi", maps[boxes][:, :, :3], directions)


def box_corners(
    object_to_world: Float[Tensor, "boxes 3 4"], sizes: Float[Tensor, "boxes 3"]
) -> Float[Tensor, "boxes 8 3"]:
    """Return the corners of boxes in the world; bits 4, 2 and 1 of a corner's index stand for +x, +y and +z."""
    signs = torch.tensor([[2.0 * (corner >> bit & 1) - 1.0 for bit in (2, 1, 0)] for corner in range(8)])
    maps = box_to_world(object_to_world, sizes)
    return torch.einsum("bij,cj->bci", maps[:, :, :3], signs.to(maps)) + maps[:, None, :, 3]
