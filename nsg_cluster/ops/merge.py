"""Samples of several nodes on the same rays, merged by depth, to be composited as one. No gradient goes into places."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import INDICES, Arguments
from nsg_cluster.ops.reference import merge as reference
from nsg_cluster.ops.reference.merge import ENDLESS

__all__ = ["ENDLESS", "merge_by_depth"]


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
    """Return samples in order of ray and depth, equal ones in their order before.

    A point ends where the next sample of its ray starts, whatever node that belongs to, and the last one of a ray never
    ends. Samples may come in any order within a ray or a hit; it is quickest where each is in order.

    Args:
        starts: Where samples begin: those of the background, packed by ray, then ``per_hit`` for each hit.
        ends: Where they end; of no account for points.
        offsets: First background sample of each ray, and their number at the end.
        hits: Hits of each ray, by their place among the samples, each once, in the order of ``hit_offsets``.
        hit_offsets: First of the hits of each ray, and their number at the end.
        per_hit: Samples of each hit.
        background_is_points: Whether samples of the background are points, not intervals.
        hits_are_points: Whether those of hits are.

    Returns:
        Starts and ends; where each is seen (a point where it starts, an interval in its middle); where each was before;
        its ray; and the first sample of each ray, with the total at the end.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, samples do not fit hits, or (on the CPU alone) a hit is none.
    """
    arguments = Arguments("merge_by_depth")
    arguments.check("starts", starts, ("samples",))
    arguments.check("ends", ends, ("samples",))
    arguments.check("offsets", offsets, ("rays_plus_one",), INDICES)
    arguments.check("hits", hits, ("hits",), INDICES)
    arguments.check("hit_offsets", hit_offsets, ("rays_plus_one",), INDICES)
    arguments.require("per_hit", per_hit, allowed="1 or more", fits=per_hit >= 1)
    background = len(starts) - per_hit * len(hits)
    arguments.require("the number of samples", len(starts), allowed="per_hit for each hit", fits=background >= 0)
    arguments.check_offsets("offsets", offsets, background)
    arguments.check_offsets("hit_offsets", hit_offsets, len(hits))
    arguments.check_indices("hits", hits, lowest=0, end=len(hits))
    kernels = library.kernels(starts)
    kinds = (background_is_points, hits_are_points)
    with torch.no_grad():
        if kernels is None:
            return reference.merge_by_depth(
                *(starts, ends, offsets, hits, hit_offsets),
                per_hit=per_hit,
                background_is_points=background_is_points,
                hits_are_points=hits_are_points,
            )
        plain = [tensor.detach().contiguous() for tensor in (starts, ends, offsets, hits, hit_offsets)]
        begin, end, places = (torch.empty_like(plain[0]) for _ in range(3))
        order, rays = offsets.new_empty(2, len(starts)).unbind(0)
        kernels.merge_by_depth(*plain, per_hit, *kinds, ENDLESS, begin, end, places, order, rays)
        return begin, end, places, order, rays, offsets + per_hit * hit_offsets
