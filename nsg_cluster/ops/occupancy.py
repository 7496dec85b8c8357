"""Upkeep of an occupancy grid. Nothing here has a gradient."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import INDICES, Arguments
from nsg_cluster.ops.reference import occupancy as reference

__all__ = ["is_invisible", "update_occupancy"]


def update_occupancy(
    grid: Float[Tensor, " cells"], cells: Int[Tensor, " visits"], values: Float[Tensor, " visits"], decay: float
) -> Float[Tensor, " cells"]:
    """Let all cells fade and raise those that were visited; return the new grid.

    A cell below zero never changes. Any other becomes the largest of its value times ``decay`` and what was seen in it,
    however often it was visited.

    Args:
        grid: Value of each cell.
        cells: Cells that were visited, in any order.
        values: What was seen in them.
        decay: Factor of the fading, 0 to 1.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, the decay is out of range, or (found on the CPU alone) a visit
            is outside of the grid.
    """
    arguments = Arguments("update_occupancy")
    arguments.check("grid", grid, ("cells",))
    arguments.check("cells", cells, ("visits",), INDICES)
    arguments.check("values", values, ("visits",))
    arguments.check_indices("cells", cells, lowest=0, end=len(grid))
    arguments.require("decay", decay, allowed="0 to 1", fits=0 <= decay <= 1)
    kernels = library.kernels(grid)
    with torch.no_grad():
        if kernels is None:
            return reference.update_occupancy(grid, cells, values, decay)
        plain = [tensor.detach().contiguous() for tensor in (grid, cells, values)]
        updated = torch.empty_like(plain[0])
        kernels.update_occupancy(*plain, float(decay), updated)
        return updated


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

    Camera axes follow OpenGL: x right, y up, looking along -z. Lens distortion is left out.

    Args:
        points: World coordinates.
        camera_to_world: Rotation and position of each camera.
        focal_px: Focal lengths in x and y.
        center_px: Principal points, from the top left corner.
        width: Pixels in a row.
        height: Pixels in a column.
        near: Depth before which a camera should have nothing.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device.
    """
    arguments = Arguments("is_invisible")
    arguments.check("points", points, ("points", 3))
    arguments.check("camera_to_world", camera_to_world, ("images", 3, 4))
    arguments.check("focal_px", focal_px, ("images", 2))
    arguments.check("center_px", center_px, ("images", 2))
    kernels = library.kernels(points)
    with torch.no_grad():
        if kernels is None:
            return reference.is_invisible(
                points, camera_to_world, focal_px, center_px, width=width, height=height, near=near
            )
        plain = [tensor.detach().contiguous() for tensor in (points, camera_to_world, focal_px, center_px)]
        invisible = torch.empty(len(points), dtype=torch.bool, device=points.device)
        kernels.is_invisible(*plain, width, height, float(near), invisible)
        return invisible
