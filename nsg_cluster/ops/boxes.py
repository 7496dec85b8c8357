"""Rays through oriented boxes. Nothing here has a gradient.

The kernels look at few of the pairs of ray and box: boxes of a frame stand in groups of neighbors, and both have bounds
along the axes of the world (a hierarchy of two levels, `csrc/common/boxes.h`). The groups are made here, in PyTorch.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import INDICES, Arguments
from nsg_cluster.ops.bits import morton_encode
from nsg_cluster.ops.reference import boxes as reference

__all__ = ["box_hits"]

_FAN = 16
"""Boxes of a group, and groups whose bounds the kernels look at together."""
_CELLS = 1 << 20
"""Along each side of the space in which neighbors are found."""
_SLACK = 1e-5
"""By how much bounds are too wide: hundreds of times the rounding of what is computed with them."""


def box_hits(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    frames: Int[Tensor, " rays"],
    world_to_box: Float[Tensor, "rows 3 4"],
    table: Int[Tensor, "frames slots"],
) -> tuple[
    Float[Tensor, " hits"],
    Float[Tensor, " hits"],
    Int[Tensor, " hits"],
    Int[Tensor, " hits"],
    Int[Tensor, " rays_plus_one"],
]:
    """Return which of the boxes of its frame each ray goes through, and where; the work grows with the hits.

    Args:
        origins: Where rays begin; inside a box the entry is 0.
        directions: Along rays; any length but 0, with which nothing is hit.
        frames: Frame of each ray.
        world_to_box: Affine maps under which each box becomes the cube from -1 to 1.
        table: Boxes of each frame, as rows of ``world_to_box``, filled up with -1.

    Returns:
        Entry and exit of each hit in multiples of the direction, its ray and its row, in order of ray, entry, exit and
        row; and the first hit of each ray, with the total at the end.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, or (found on the CPU alone) a frame or a row does not exist.
    """
    arguments = Arguments("box_hits")
    arguments.check("origins", origins, ("rays", 3))
    arguments.check("directions", directions, ("rays", 3))
    arguments.check("frames", frames, ("rays",), INDICES)
    arguments.check("world_to_box", world_to_box, ("rows", 3, 4))
    arguments.check("table", table, ("frames", "slots"), INDICES)
    arguments.check_indices("frames", frames, lowest=0, end=len(table))
    arguments.check_indices("table", table, lowest=-1, end=len(world_to_box))
    kernels = library.kernels(origins)
    with torch.no_grad():
        if kernels is None:
            return reference.box_hits(origins, directions, frames, world_to_box, table)
        plain = [tensor.detach().contiguous() for tensor in (origins, directions, frames, world_to_box)]
        boxes = (*plain, *_grouped(plain[3], table))
        offsets = torch.zeros(len(origins) + 1, dtype=torch.int64, device=origins.device)
        counts = offsets.new_empty(len(origins))
        kernels.box_hits_count(*boxes, counts)
        torch.cumsum(counts, 0, out=offsets[1:])
        total = int(offsets[-1])
        entries, exits = origins.new_empty(2, total).unbind(0)
        rays, rows = offsets.new_empty(2, total).unbind(0)
        kernels.box_hits_write(*boxes, offsets, entries, exits, rays, rows)
        return entries, exits, rays, rows, offsets


def _grouped(
    world_to_box: Float[Tensor, "rows 3 4"], table: Int[Tensor, "frames slots"]
) -> tuple[
    Int[Tensor, "frames groups fan"], Float[Tensor, "frames groups 6 fan"], Float[Tensor, "frames blocks 6 fan"]
]:
    """Return the boxes of each frame in groups of neighbors, the bounds of boxes, and those of groups."""
    low, high = _corners(world_to_box)
    if table.shape[1] > _FAN and len(low) > 0:
        table = _neighbors_together(table, (low + high) / 2)
    slots = _filled_up(table, -1)
    # The slot -1 takes the last bounds, which hold nothing.
    low = torch.cat([low, low.new_full((1, 3), torch.inf)])[slots]
    high = torch.cat([high, high.new_full((1, 3), -torch.inf)])[slots]
    group_low, group_high = _filled_up(low.amin(2), torch.inf), _filled_up(high.amax(2), -torch.inf)
    return slots, _bounds(low, high), _bounds(group_low, group_high)


def _corners(maps: Float[Tensor, "rows 3 4"]) -> tuple[Float[Tensor, "rows 3"], Float[Tensor, "rows 3"]]:
    """Return the lowest and highest coordinates of boxes in the world; endless where a map is no box's."""
    exact = maps.double()  # products of three sizes leave the range of float32
    first, second, third = exact[:, :, :3].unbind(1)
    axes = torch.stack([second.cross(third, -1), third.cross(first, -1), first.cross(second, -1)], dim=-1)
    axes = axes / (first * axes[:, :, 0]).sum(-1)[:, None, None]
    middle, reach = -(axes @ exact[:, :, 3:])[:, :, 0], axes.abs().sum(-1)
    low, high = (middle - reach).to(maps.dtype), (middle + reach).to(maps.dtype)
    return low.nan_to_num(-torch.inf, torch.inf, -torch.inf), high.nan_to_num(torch.inf, torch.inf, -torch.inf)


def _neighbors_together(
    table: Int[Tensor, "frames slots"], middles: Float[Tensor, "rows 3"]
) -> Int[Tensor, "frames slots"]:
    """Return the boxes of each frame along a space-filling curve, empty slots at the end."""
    middles = middles.nan_to_num(0, 0, 0)
    lowest, highest = middles.amin(0), middles.amax(0)
    cells = ((middles - lowest) / (highest - lowest).clamp(min=1e-30) * (_CELLS - 1)).long()
    codes = torch.cat([morton_encode(cells), cells.new_full((1,), torch.iinfo(torch.int64).max)])
    return table.gather(1, codes[table].argsort(dim=1, stable=True))


def _filled_up(values: Tensor, empty: float) -> Tensor:
    """Return values of slots (frames, slots, …) in groups, the last of which is filled up."""
    frames, slots, *rest = values.shape
    groups = math.ceil(slots / _FAN)
    filler = values.new_full((frames, groups * _FAN - slots, *rest), empty)
    return torch.cat([values, filler], dim=1).view(frames, groups, _FAN, *rest)


def _bounds(
    low: Float[Tensor, "frames blocks fan 3"], high: Float[Tensor, "frames blocks fan 3"]
) -> Float[Tensor, "frames blocks 6 fan"]:
    """Return bounds as the kernels read them: middles and half sizes, a little too wide; of -inf where empty."""
    middle, half = ((low + high) / 2).nan_to_num(0, 0, 0), (high - low) / 2
    wide = half * (1 + _SLACK) + _SLACK * middle.abs().sum(-1, keepdim=True)
    return torch.cat([middle, wide], dim=-1).mT.contiguous()
