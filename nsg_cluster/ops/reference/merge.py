"""Samples of several nodes on the same rays, merged by depth, in plain PyTorch."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["ENDLESS", "merge_by_depth"]

ENDLESS = 1e10
"""Length of the last interval of a ray, if it is that of a point sample."""


def merge_by_depth(
    starts: Float[Tensor, " samples"],
    ends: Float[Tensor, " samples"],
    offsets: Int[Tensor, " rays_plus_one"],
    hits: Int[Tensor, " hits"],
    hit_offsets: Int[Tensor, " rays_plus_one"],
    *,
    per_hit: int,
    background_is_points: bool,
    hits_are_points: bool,
) -> tuple[
    Float[Tensor, " samples"],
    Float[Tensor, " samples"],
    Float[Tensor, " samples"],
    Int[Tensor, " samples"],
    Int[Tensor, " samples"],
    Int[Tensor, " rays_plus_one"],
]:
    """Return samples in order of ray and depth, equal ones in their order before (Neural Scene Graphs, section 4.2).

    A point ends where the next sample of its ray starts, whatever node that belongs to, and the last one of a ray never
    ends.

    Args:
        starts: Where samples begin: those of the background, packed by ray, then ``per_hit`` for each hit.
        ends: Where they end; of no account for points.
        offsets: First background sample of each ray, and their number at the end.
        hits: Hits of each ray, by their place among the samples, in the order of ``hit_offsets``.
        hit_offsets: First of the hits of each ray, and their number at the end.
        per_hit: Samples of each hit.
        background_is_points: Whether samples of the background are points, not intervals.
        hits_are_points: Whether those of hits are.

    Returns:
        Starts and ends; where each is seen (a point where it starts, an interval in its middle); where each was before;
        its ray; and the first sample of each ray, with the total at the end.
    """
    num_rays = len(offsets) - 1
    rays = torch.arange(num_rays, device=offsets.device)
    behind = rays.repeat_interleave(offsets.diff())
    within = torch.empty_like(hits).index_copy(0, hits, rays.repeat_interleave(hit_offsets.diff()))
    owners = torch.cat([behind, within.repeat_interleave(per_hit)])
    by_depth = torch.argsort(starts, stable=True)
    order = by_depth[torch.argsort(owners[by_depth], stable=True)]
    begin, ray = starts[order], owners[order]
    until = begin + ENDLESS
    until[:-1] = torch.where(ray[1:] == ray[:-1], begin[1:], until[:-1])
    is_point = torch.where(order < len(behind), background_is_points, hits_are_points)
    end = torch.where(is_point, until, ends[order])
    return begin, end, torch.where(is_point, begin, (begin + end) / 2), order, ray, offsets + per_hit * hit_offsets
