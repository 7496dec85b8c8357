"""Rays through boxes and occupancy grids.

Cells of a grid are stored as packed bits in Morton order, cascade after cascade; cascade 0 is the box itself, cascade
``c`` the box scaled by ``2^c`` about its center. Nothing here has a gradient: samples stand where they stand.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import Arguments
from nsg_cluster.ops.bits import morton_decode, morton_encode, pack_bits, unpack_bits
from nsg_cluster.ops.reference import march as reference

__all__ = [
    "intersect_box",
    "march_occupancy",
    "march_rounds",
    "morton_decode",
    "morton_encode",
    "pack_bits",
    "unpack_bits",
]

_NO_LIMIT = (1 << 63) - 1


def intersect_box(
    origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], box: Float[Tensor, "2 3"]
) -> tuple[Float[Tensor, " rays"], Float[Tensor, " rays"]]:
    """Return where rays enter and leave an axis-aligned box, in multiples of their direction.

    Args:
        origins: Where rays begin; inside the box the entry is 0.
        directions: Along rays; any length.
        box: Lowest and highest corner.

    Returns:
        Entry and exit; both are 0 where the box is missed.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device.
    """
    arguments = Arguments("intersect_box")
    arguments.check("origins", origins, ("rays", 3))
    arguments.check("directions", directions, ("rays", 3))
    arguments.check("box", box, (2, 3))
    kernels = library.kernels(origins)
    with torch.no_grad():
        if kernels is None:
            return reference.intersect_box(origins, directions, box)
        near, far = origins.new_empty(2, len(origins)).unbind(0)
        kernels.intersect_box(*_plain(origins, directions, box), near, far)
        return near, far


def march_occupancy(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, " rays"],
    far: Float[Tensor, " rays"],
    *,
    occupied: UInt8[Tensor, " bytes"],
    resolution: int,
    cascades: int,
    box: Float[Tensor, "2 3"],
    step_min: float,
    step_max: float,
    cone_angle: float,
    jitter: Float[Tensor, " rays"] | None = None,
) -> tuple[
    Float[Tensor, " samples"], Float[Tensor, " samples"], Int[Tensor, " samples"], Int[Tensor, " rays_plus_one"]
]:
    """Keep the intervals of each ray whose midpoint lies before ``far`` and in an occupied cell.

    Intervals follow one another from ``near``, each ``cone_angle`` times its distance long, kept within the limits;
    the grid does not move them. The cell is that of the finest cascade which contains the midpoint and whose cells are
    no smaller than the interval.

    Args:
        origins: Where rays begin.
        directions: Along rays, unit length.
        near: Where the first interval may begin.
        far: Where intervals end; ``near`` or less for a ray without samples.
        occupied: Packed bits of the cells.
        resolution: Cells along a side of each cascade, a power of two.
        cascades: Number of cascades, 1 to 8.
        box: Lowest and highest corner of cascade 0.
        step_min: Shortest interval.
        step_max: Longest interval.
        cone_angle: Growth of the intervals with distance; 0 for intervals of length ``step_min``.
        jitter: Shift of the first place of each ray, in intervals, 0 to 1; none at all by default.

    Returns:
        Start, end and ray of each interval in ray order; and the first interval of each ray, with the total at the end.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, or a number is out of range.
    """
    grid: dict[str, Any] = {"occupied": occupied, "resolution": resolution, "cascades": cascades, "box": box}
    steps: dict[str, Any] = {"step_min": step_min, "step_max": step_max, "cone_angle": cone_angle, "jitter": jitter}
    _check("march_occupancy", origins, directions, near, far, **grid, **steps)
    kernels = library.kernels(origins)
    with torch.no_grad():
        if kernels is None:
            return reference.march_occupancy(origins, directions, near, far, **grid, **steps)
        starts, ends, rays, offsets, _ = _march(kernels, origins, directions, near, far, **grid, **steps)
        return starts, ends, rays, offsets


def march_rounds(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, " rays"],
    far: Float[Tensor, " rays"],
    *,
    occupied: UInt8[Tensor, " bytes"],
    resolution: int,
    cascades: int,
    box: Float[Tensor, "2 3"],
    step_min: float,
    step_max: float,
    cone_angle: float,
    jitter: Float[Tensor, " rays"] | None = None,
    cursor: Float[Tensor, " rays"],
    limit: int,
) -> tuple[
    Float[Tensor, " samples"],
    Float[Tensor, " samples"],
    Int[Tensor, " samples"],
    Int[Tensor, " rays_plus_one"],
    Float[Tensor, " rays"],
]:
    """Keep the next few of the intervals that ``march_occupancy`` keeps: one round of rendering front to back.

    Between rounds the caller drops the rays that have ended, so that no time goes into what nobody sees.

    Args:
        origins: Where rays begin.
        directions: Along rays, unit length.
        near: Where the first interval may begin.
        far: Where intervals end; ``near`` or less for a ray without samples.
        occupied: Packed bits of the cells.
        resolution: Cells along a side of each cascade, a power of two.
        cascades: Number of cascades, 1 to 8.
        box: Lowest and highest corner of cascade 0.
        step_min: Shortest interval.
        step_max: Longest interval.
        cone_angle: Growth of the intervals with distance; 0 for intervals of length ``step_min``.
        jitter: Shift of the first place of each ray, in intervals, 0 to 1; none at all by default.
        cursor: Where each ray goes on, as the round before returned it; ``near`` for the first.
        limit: Most intervals that a ray gets.

    Returns:
        Start, end and ray of each interval in ray order; the first interval of each ray, with the total at the end; and
        where each ray goes on, infinity if it is at its end.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, or a number is out of range.
    """
    grid: dict[str, Any] = {"occupied": occupied, "resolution": resolution, "cascades": cascades, "box": box}
    steps: dict[str, Any] = {"step_min": step_min, "step_max": step_max, "cone_angle": cone_angle, "jitter": jitter}
    place: dict[str, Any] = {"cursor": cursor, "limit": limit}
    _check("march_rounds", origins, directions, near, far, **grid, **steps, **place)
    kernels = library.kernels(origins)
    with torch.no_grad():
        if kernels is None:
            return reference.march_rounds(origins, directions, near, far, **grid, **steps, **place)
        return _march(kernels, origins, directions, near, far, **grid, **steps, **place)


def _check(
    op: str,
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    far: Tensor,
    *,
    occupied: Tensor,
    resolution: int,
    cascades: int,
    box: Tensor,
    step_min: float,
    step_max: float,
    cone_angle: float,
    jitter: Tensor | None,
    cursor: Tensor | None = None,
    limit: int = 1,
) -> None:
    arguments = Arguments(op)
    arguments.check("origins", origins, ("rays", 3))
    arguments.check("directions", directions, ("rays", 3))
    arguments.check("near", near, ("rays",))
    arguments.check("far", far, ("rays",))
    arguments.check("box", box, (2, 3))
    is_power = 4 <= resolution <= 512 and resolution & (resolution - 1) == 0
    arguments.require("resolution", resolution, allowed="a power of two from 4 to 512", fits=is_power)
    arguments.require("cascades", cascades, allowed="1 to 8", fits=1 <= cascades <= 8)
    arguments.check("occupied", occupied, (cascades * resolution**3 // 8,), (torch.uint8,))
    arguments.require("step_min", step_min, allowed="more than 0", fits=step_min > 0)
    arguments.require("step_max", step_max, allowed=f"step_min={step_min} or more", fits=step_max >= step_min)
    arguments.require("cone_angle", cone_angle, allowed="0 or more", fits=cone_angle >= 0)
    arguments.require("limit", limit, allowed="1 or more", fits=limit >= 1)
    if jitter is not None:
        arguments.check("jitter", jitter, ("rays",))
    if cursor is not None:
        arguments.check("cursor", cursor, ("rays",))


def _march(
    kernels: Any,
    *rays: Tensor,
    occupied: Tensor,
    resolution: int,
    cascades: int,
    box: Tensor,
    step_min: float,
    step_max: float,
    cone_angle: float,
    jitter: Tensor | None,
    cursor: Tensor | None = None,
    limit: int = _NO_LIMIT,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Count the samples of each ray, add up the counts, and write each ray's samples where they belong."""
    origins, directions, near, far, packed_box = _plain(*rays, box)
    bits = occupied.contiguous()
    if bits.data_ptr() % 8:  # the kernels read words of 64 bits
        bits = bits.clone()
    grid = _grid(resolution, cascades, step_min, step_max, cone_angle)
    starting = [None if t is None else t.detach().contiguous() for t in (jitter, cursor)]
    common = (origins, directions, near, far, *starting, limit, bits, packed_box, grid)
    offsets = torch.zeros(len(origins) + 1, dtype=torch.int64, device=origins.device)
    counts = offsets.new_empty(len(origins))
    kernels.march_count(*common, counts)
    torch.cumsum(counts, 0, out=offsets[1:])
    total = int(offsets[-1])
    starts, ends = origins.new_empty(2, total).unbind(0)
    indices = offsets.new_empty(total)
    following = None if cursor is None else torch.empty_like(near)
    kernels.march_write(*common, offsets, starts, ends, indices, following)
    return starts, ends, indices, offsets, near if following is None else following


def _plain(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors as the kernels take them."""
    return [tensor.detach().contiguous() for tensor in tensors]


@cache
def _grid(resolution: int, cascades: int, step_min: float, step_max: float, cone_angle: float) -> Any:
    return library.module().OccupancyGrid(resolution, cascades, step_min, step_max, cone_angle)
