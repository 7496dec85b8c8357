"""Upkeep of an occupancy grid, in plain PyTorch."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["is_invisible", "update_occupancy"]


def update_occupancy(
    grid: Float[Tensor, " cells"], cells: Int[Tensor, " visits"], values: Float[Tensor, " visits"], decay: float
) -> Float[Tensor, " cells"]:
    """Let all cells fade and raise those that were visited (Instant-NGP, appendix C).

    A cell below zero never changes. Any other becomes the largest of its value times ``decay`` and what was seen in it,
    however often it was visited: a maximum does not depend on the order of the visits.
    """
    faded = (grid * decay).scatter_reduce(0, cells, values, reduce="amax")
    return torch.where(grid < 0, grid, faded)


def is_invisible(
    points: Float[Tensor, "points 3"],
    camera_to_world: Float[Tensor, "images 3 4"],
    focal_px: Float[Tensor, "images 2"],
    center_px: Float[Tensor, "images 2"],
    *,
    width: int,
    height: int,
    near: float,
) -> Bool[Tensor, " points"]:
    """Say which points no camera sees, or some camera sees closer than ``near``.

    Camera axes follow OpenGL: x right, y up, looking along -z. The principal point counts from the top left corner of
    the image; lens distortion is left out.
    """
    is_seen = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    is_too_near = torch.zeros_like(is_seen)
    for pose, focal, center in zip(camera_to_world, focal_px, center_px, strict=True):
        local = (points - pose[:, 3]) @ pose[:, :3]
        depth = -local[:, 2]
        x = center[0] + focal[0] * local[:, 0] / depth
        y = center[1] - focal[1] * local[:, 1] / depth
        is_in_image = (depth > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        is_seen |= is_in_image & (depth >= near)
        is_too_near |= is_in_image & (depth < near)
    return ~is_seen | is_too_near
