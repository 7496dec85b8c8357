"""Rays through oriented boxes, in plain PyTorch."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["box_hits"]


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
    """Return which of the boxes of its frame each ray goes through, and where (the slab test, each ray by each slot).

    Args:
        origins: Where rays begin; inside a box the entry is 0.
        directions: Along rays; any length but 0, with which nothing is hit.
        frames: Frame of each ray.
        world_to_box: Affine maps under which each box becomes the cube from -1 to 1.
        table: Boxes of each frame, as rows of ``world_to_box``, filled up with -1.

    Returns:
        Entry and exit of each hit in multiples of the direction, its ray and its row, in order of ray, entry, exit and
        row; and the first hit of each ray, with the total at the end.
    """
    candidates = table[frames]
    # The candidate -1 takes the last map, which belongs to no box.
    maps = torch.cat([world_to_box, world_to_box.new_zeros(1, 3, 4)])[candidates]
    # Summed in the order of the kernels, so that both find the same hits to the last bit.
    x, y, z, moved = maps.unbind(-1)
    o, d = origins[:, :, None, None], directions[:, :, None, None]
    start = x * o[:, 0] + y * o[:, 1] + z * o[:, 2] + moved
    along = x * d[:, 0] + y * d[:, 1] + z * d[:, 2]
    lower, upper = (-1 - start) / along, (1 - start) / along
    near = torch.fmin(lower, upper).amax(-1).clamp_min(0)
    far = torch.fmax(lower, upper).amin(-1)
    ray, slot = torch.nonzero((near < far) & far.isfinite() & (candidates >= 0), as_tuple=True)
    entry, leave, row = near[ray, slot], far[ray, slot], candidates[ray, slot]
    order = torch.argsort(row, stable=True)
    for key in (leave, entry, ray):
        order = order[torch.argsort(key[order], stable=True)]
    counts = torch.bincount(ray, minlength=len(origins))
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return entry[order], leave[order], ray[order], row[order], offsets
