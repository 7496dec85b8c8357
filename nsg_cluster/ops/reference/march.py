"""Rays through boxes and occupancy grids, in plain PyTorch.

Cascade 0 of a grid is the box itself, cascade ``c`` the box scaled by ``2^c`` about its center; each has
``resolution^3`` cells, one bit each, in Morton order, cascade after cascade. The places where samples may stand do not
depend on the grid: ``t_0 = near + jitter * step(near)`` and ``t_{k+1} = t_k + step(t_k)``, where ``step(t)`` is
``cone_angle * t``, kept within its limits. The grid only says which of the intervals between them are kept.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from nsg_cluster.ops.reference.bits import morton_encode

__all__ = ["intersect_box", "march_occupancy", "march_rounds"]

_MAX_PLACES = 1 << 21  # looked at together: bounds the memory


def intersect_box(
    origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], box: Float[Tensor, "2 3"]
) -> tuple[Float[Tensor, " rays"], Float[Tensor, " rays"]]:
    """Return where rays enter and leave an axis-aligned box, in multiples of their direction (the slab test).

    Args:
        origins: Where rays begin; inside the box the entry is 0.
        directions: Along rays; any length.
        box: Lowest and highest corner.

    Returns:
        Entry and exit; both are 0 where the box is missed.
    """
    lower, upper = (box[0] - origins) / directions, (box[1] - origins) / directions
    # fmin and fmax step over the NaN of a ray that runs within a face (0 / 0).
    entry, leave = torch.fmin(lower, upper), torch.fmax(lower, upper)
    near = entry.amax(1).clamp_min(0)
    far = leave.amin(1)
    is_hit = near < far
    return torch.where(is_hit, near, 0.0), torch.where(is_hit, far, 0.0)


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
    jitter: Float[Tensor, " rays"] | None,
) -> tuple[
    Float[Tensor, " samples"], Float[Tensor, " samples"], Int[Tensor, " samples"], Int[Tensor, " rays_plus_one"]
]:
    """Keep the intervals of each ray whose midpoint lies before ``far`` and in an occupied cell.

    The cell is that of the finest cascade which contains the midpoint and whose cells are no smaller than the step.

    Args:
        origins: Where rays begin.
        directions: Along rays, unit length.
        near: Where the first interval may begin.
        far: Where intervals end; ``near`` or less for a ray without samples.
        occupied: Packed bits of the cells.
        resolution: Cells along a side of each cascade.
        cascades: Number of cascades.
        box: Lowest and highest corner of cascade 0.
        step_min: Shortest interval.
        step_max: Longest interval.
        cone_angle: Growth of the interval with distance; 0 for intervals of length ``step_min``.
        jitter: Shift of the first place of each ray, in intervals, 0 to 1; none at all by default.

    Returns:
        Start, end and ray of each interval in ray order; and the first interval of each ray, with the total at the end.
    """
    step = _step(near, step_min, step_max, cone_angle)
    first = near if jitter is None else near + jitter * step
    outer = _scaled(box, float(1 << (cascades - 1)))
    entry, leave = intersect_box(origins, directions, outer)
    far = torch.minimum(far, leave)
    is_hit = (entry < leave) & torch.isfinite(first) & torch.isfinite(far) & (near < far)
    first, far = torch.where(is_hit, first, 0.0), torch.where(is_hit, far, -math.inf)
    num_places = _num_places(first, far, step_min, step_max, cone_angle)
    starts, ends, rays = [], [], []
    rows = max(1, _MAX_PLACES // max(num_places, 1))
    for low in range(0, len(near) if num_places else 0, rows):
        chunk = slice(low, low + rows)
        places = _places(first[chunk], num_places, step_min, step_max, cone_angle)
        ray, place = (0.5 * (places[:, 1:] + places[:, :-1]) < far[chunk, None]).nonzero(as_tuple=True)
        start, end = places[ray, place], places[ray, place + 1]
        ray = ray + low
        midpoints = origins[ray] + directions[ray] * (0.5 * (start + end))[:, None]
        is_kept = _is_occupied(
            midpoints, end - start, occupied=occupied, resolution=resolution, cascades=cascades, box=box
        )
        starts.append(start[is_kept])
        ends.append(end[is_kept])
        rays.append(ray[is_kept])
    all_rays = torch.cat(rays) if rays else torch.zeros(0, dtype=torch.int64, device=near.device)
    offsets = torch.searchsorted(all_rays, torch.arange(len(near) + 1, device=near.device))
    empty = near.new_zeros(0)
    return torch.cat([empty, *starts]), torch.cat([empty, *ends]), all_rays, offsets


def march_rounds(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, " rays"],
    far: Float[Tensor, " rays"],
    *,
    cursor: Float[Tensor, " rays"],
    limit: int,
    **grid: Any,
) -> tuple[
    Float[Tensor, " samples"],
    Float[Tensor, " samples"],
    Int[Tensor, " samples"],
    Int[Tensor, " rays_plus_one"],
    Float[Tensor, " rays"],
]:
    """Keep the first intervals of each ray that ``march_occupancy`` keeps from a place on.

    Args:
        origins: Where rays begin.
        directions: Along rays, unit length.
        near: Where the first interval may begin.
        far: Where intervals end.
        cursor: Where each ray goes on.
        limit: Most intervals that a ray gets.
        **grid: The other arguments of ``march_occupancy``.

    Returns:
        What ``march_occupancy`` returns, and where each ray goes on: infinity for one that has fewer than ``limit``.
    """
    starts, ends, rays, _ = march_occupancy(origins, directions, near, far, **grid)
    is_ahead = starts >= cursor[rays]
    starts, ends, rays = starts[is_ahead], ends[is_ahead], rays[is_ahead]
    indices = torch.arange(len(near) + 1, device=near.device)
    rank = torch.arange(len(rays), device=near.device) - torch.searchsorted(rays, indices)[rays]
    is_kept = rank < limit
    starts, ends, rays = starts[is_kept], ends[is_kept], rays[is_kept]
    offsets = torch.searchsorted(rays, indices)
    is_full = offsets.diff() == limit
    following = torch.full_like(near, math.inf)
    following[is_full] = ends[offsets[1:][is_full] - 1]
    return starts, ends, rays, offsets, following


def _step(t: Float[Tensor, " n"], step_min: float, step_max: float, cone_angle: float) -> Float[Tensor, " n"]:
    if cone_angle == 0.0:
        return torch.full_like(t, step_min)
    return (t * cone_angle).clamp(step_min, step_max)


def _scaled(box: Float[Tensor, "2 3"], factor: float) -> Float[Tensor, "2 3"]:
    """Return the box scaled about its center."""
    center, half = 0.5 * (box[0] + box[1]), 0.5 * (box[1] - box[0])
    return torch.stack((center - half * factor, center + half * factor))


def _num_places(
    first: Float[Tensor, " rays"], far: Float[Tensor, " rays"], step_min: float, step_max: float, cone_angle: float
) -> int:
    """Return how many intervals the longest ray needs."""
    longest = float((far - first).max()) if len(far) else 0.0
    if longest <= 0 or math.isinf(longest):
        return 0
    if cone_angle == 0.0:
        return math.ceil(longest / step_min) + 1
    # Upper bound: the ray that stays near its origin has the shortest steps.
    t, end, count = float(first.min()), float(far.max()), 0
    while t < end:
        t += min(max(t * cone_angle, step_min), step_max)
        count += 1
    return count + 1


def _places(
    first: Float[Tensor, " rays"], num_places: int, step_min: float, step_max: float, cone_angle: float
) -> Float[Tensor, "rays places_plus_one"]:
    """Return the places between which intervals lie."""
    if cone_angle == 0.0:
        k = torch.arange(num_places + 1, device=first.device, dtype=first.dtype)
        return first[:, None] + k * step_min
    places = [first]
    for _ in range(num_places):
        places.append(places[-1] + _step(places[-1], step_min, step_max, cone_angle))
    return torch.stack(places, dim=1)


def _is_occupied(
    points: Float[Tensor, "n 3"],
    lengths: Float[Tensor, " n"],
    *,
    occupied: UInt8[Tensor, " bytes"],
    resolution: int,
    cascades: int,
    box: Float[Tensor, "2 3"],
) -> Bool[Tensor, " n"]:
    """Look up the cell of each interval; what lies outside the outermost cascade is empty."""
    size = box[1] - box[0]
    centered = (points - box[0]) * (1.0 / size) - 0.5
    extent = centered.abs().amax(1)
    cells_long = lengths * (resolution / float(size.max()))
    cascade = torch.zeros_like(extent, dtype=torch.int64)
    for c in range(1, cascades):
        cascade += (extent >= 0.5 * (1 << (c - 1))) | (cells_long > (1 << (c - 1)))
    scaled = centered * torch.exp2(-cascade.to(extent.dtype))[:, None] + 0.5
    is_inside = extent < 0.5 * (1 << (cascades - 1))
    cells = (scaled * resolution).long().clamp(0, resolution - 1)
    index = cascade * resolution**3 + morton_encode(cells)
    bits = occupied[index >> 3].long() >> (index & 7)
    return is_inside & ((bits & 1) == 1)
