"""Samples of several nodes on the same rays, merged by depth and composited once.

Each node of a scene graph places samples of its own; together they are sorted along each ray by where they start, and
rendered as one (Ost et al., https://arxiv.org/abs/2011.10379, section 4.2). A point sample ends where the next sample
of its ray starts, whatever node that belongs to, and the last one of a ray never ends.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nsg_cluster.geometry.rays import RaySamples

__all__ = ["ENDLESS", "inside_spans", "merge_by_depth"]

ENDLESS = 1e10
"""Length of the last interval of a ray of point samples."""


def merge_by_depth(
    starts: Float[Tensor, " samples"],
    ends: Float[Tensor, " samples"],
    rays: Int[Tensor, " samples"],
    is_point: Bool[Tensor, " samples"],
    num_rays: int,
) -> tuple[RaySamples, Int[Tensor, " samples"]]:
    """Return all samples in order of ray and depth, and where each of them was before.

    Args:
        starts: Where samples begin, in any order.
        ends: Where they end; of no account for points.
        rays: Ray of each.
        is_point: Which of them are points.
        num_rays: Number of rays.
    """
    by_depth = torch.argsort(starts, stable=True)
    order = by_depth[torch.argsort(rays[by_depth], stable=True)]
    owners, begin, end = rays[order], starts[order], ends[order]
    counts = torch.bincount(owners, minlength=num_rays)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    until = torch.full_like(begin, ENDLESS)
    if len(begin) > 1:
        until[:-1] = torch.where(owners[1:] == owners[:-1], begin[1:], begin[:-1] + ENDLESS)
    return RaySamples(starts=begin, ends=torch.where(is_point[order], until, end), rays=owners, offsets=offsets), order


def inside_spans(
    places: Float[Tensor, " samples"],
    rays: Int[Tensor, " samples"],
    spans: tuple[Float[Tensor, " spans"], Float[Tensor, " spans"], Int[Tensor, " spans"]],
    num_rays: int,
) -> Bool[Tensor, " samples"]:
    """Say which places on rays lie in any of the spans (begin, end, ray) of their ray.

    The work grows with the pairs of places and spans that share a ray.
    """
    begin, end, owners = spans
    order = torch.argsort(owners, stable=True)
    counts = torch.bincount(owners, minlength=num_rays)
    first = counts.cumsum(0) - counts
    pairs_of = counts[rays]
    place = torch.arange(len(places), device=places.device).repeat_interleave(pairs_of)
    start_of_run = (pairs_of.cumsum(0) - pairs_of).repeat_interleave(pairs_of)
    within = torch.arange(len(place), device=places.device) - start_of_run
    span = order[first[rays[place]] + within]
    is_inside = (places[place] > begin[span]) & (places[place] < end[span])
    found = torch.zeros(len(places), dtype=torch.bool, device=places.device)
    found[place[is_inside]] = True
    return found
