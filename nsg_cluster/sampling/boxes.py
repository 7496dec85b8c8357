"""Samples inside the boxes that rays go through: equally many for each box that is hit.

A *hit* is a ray that goes through a box. Hits are sorted by object, so that the networks of the objects find their
points in a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from nsg_cluster.geometry.placements import Placements
from nsg_cluster.geometry.rays import Rays
from nsg_cluster.ops.boxes import box_hits

__all__ = ["BoxHits", "find_hits", "place_in_boxes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxHits:
    """Rays that go through boxes; one entry for each pair, sorted by object."""

    rays: Int[Tensor, " hits"]
    """Index of the ray."""
    rows: Int[Tensor, " hits"]
    """Row of the placements."""
    objects: Int[Tensor, " hits"]
    """Object of that row; never decreases."""
    entries: Float[Tensor, " hits"]
    """Distance at which the ray enters the box; 0 for a camera inside."""
    exits: Float[Tensor, " hits"]
    """Distance at which it leaves the box."""
    of_rays: Int[Tensor, " hits"]
    """The hits once more, as indices of the other columns: in order of ray and entry."""
    offsets: Int[Tensor, " rays_plus_one"]
    """First hit of each ray in that order, and the total at the end."""

    def __len__(self) -> int:
        """Return the number of hits."""
        return len(self.rays)


def find_hits(
    rays: Rays, placements: Placements, frames: Int[Tensor, " rays"], *, nearest_only: bool = False
) -> BoxHits:
    """Return which rays go through which boxes of their frame, and where; of each ray all boxes, or the nearest one."""
    maps = placements.world_to_box.detach()
    entries, exits, ray, row, offsets = box_hits(
        rays.origins.detach(), rays.directions.detach(), frames, maps, placements.table
    )
    if nearest_only:
        is_hit = offsets.diff() > 0
        first = offsets[:-1][is_hit]
        entries, exits, ray, row = entries[first], exits[first], ray[first], row[first]
        offsets = torch.cat([offsets[:1], is_hit.cumsum(0)])
    objects = placements.objects[row]
    order = torch.argsort(objects, stable=True)
    return BoxHits(
        rays=ray[order],
        rows=row[order],
        objects=objects[order],
        entries=entries[order],
        exits=exits[order],
        of_rays=torch.empty_like(order).index_copy(0, order, torch.arange(len(order), device=order.device)),
        offsets=offsets,
    )


def place_in_boxes(
    hits: BoxHits, count: int, *, kind: Literal["points", "intervals"], generator: Generator | None = None
) -> tuple[Float[Tensor, "hits count"], Float[Tensor, "hits count"]]:
    """Return where the samples of each hit begin and end.

    ``points`` stand evenly from the entry to the exit, both included (a single one in the middle), as in Neural Scene
    Graphs; ``intervals`` fill the box, and with a generator the edges between them are shifted at random, those of one
    hit together.
    """
    low, length = hits.entries[:, None], (hits.exits - hits.entries)[:, None]
    device, dtype = low.device, low.dtype
    if kind == "points":
        at = torch.linspace(0, 1, count, device=device, dtype=dtype) if count > 1 else low.new_full((1,), 0.5)
        places = low + length * at
        return places, places
    edges = torch.arange(count + 1, device=device, dtype=dtype).expand(len(hits), -1) / count
    if generator is not None and count > 1:
        jitter = torch.rand(len(hits), 1, generator=generator, device=generator.device).to(device)
        edges = torch.cat([edges[:, :1], edges[:, 1:-1] + (jitter - 0.5) / count, edges[:, -1:]], dim=1)
    distances = low + length * edges
    return distances[:, :-1], distances[:, 1:]
