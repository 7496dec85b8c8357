"""Which samples on rays lie inside spans of their rays, such as boxes that other nodes fill."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["inside_spans"]


def inside_spans(
    places: Float[Tensor, " samples"],
    rays: Int[Tensor, " samples"],
    spans: tuple[Float[Tensor, " spans"], Float[Tensor, " spans"]],
    offsets: Int[Tensor, " rays_plus_one"],
) -> Bool[Tensor, " samples"]:
    """Say which places on rays lie in any of the spans of their ray.

    The work grows with the pairs of places and spans that share a ray.

    Args:
        places: Distances along rays.
        rays: Ray of each.
        spans: Where spans begin and end, in order of their rays.
        offsets: First span of each ray, and the total at the end.
    """
    begin, end = spans
    pairs_of = offsets.diff()[rays]
    place = torch.arange(len(places), device=places.device).repeat_interleave(pairs_of)
    start_of_run = pairs_of.cumsum(0) - pairs_of
    span = torch.arange(len(place), device=places.device) + (offsets[rays] - start_of_run)[place]
    is_inside = (places[place] > begin[span]) & (places[place] < end[span])
    found = torch.zeros(len(places), dtype=torch.bool, device=places.device)
    found[place[is_inside]] = True
    return found
