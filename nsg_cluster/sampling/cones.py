"""Intervals of mip-NeRF: evenly spread first, then where weights are large, with edges drawn rather than points.

Barron et al., mip-NeRF, https://arxiv.org/abs/2103.13415, section 3.2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nsg_cluster.geometry.rays import RaySamples
from nsg_cluster.geometry.warps import Spacing, from_spacing
from nsg_cluster.ops.histogram import sample_histogram

__all__ = ["blurred", "intervals_on_rays", "resampled_edges", "stratified_edges"]


def stratified_edges(
    near: Float[Tensor, " rays"],
    far: Float[Tensor, " rays"],
    count: int,
    *,
    spacing: Spacing = "linear",
    generator: Generator | None = None,
) -> Float[Tensor, "rays edges"]:
    """Return the edges of ``count`` intervals from near to far; with a generator each at random around its place."""
    places = torch.linspace(0, 1, count + 1, dtype=near.dtype, device=near.device).expand(len(near), -1)
    if generator is not None:
        middle = (places[:, 1:] + places[:, :-1]) / 2
        low = torch.cat([places[:, :1], middle], dim=1)
        high = torch.cat([middle, places[:, -1:]], dim=1)
        noise = torch.rand(places.shape, generator=generator, device=generator.device).to(places)
        places = low + (high - low) * noise
    return from_spacing(places, near, far, spacing)


def blurred(weights: Float[Tensor, "rays bins"]) -> Float[Tensor, "rays bins"]:
    """Return a wide envelope: the mean of two maxima, each over an interval and one of its neighbors (eq. 18)."""
    padded = torch.cat([weights[:, :1], weights, weights[:, -1:]], dim=1)
    largest = torch.maximum(padded[:, :-1], padded[:, 1:])
    return (largest[:, :-1] + largest[:, 1:]) / 2


def resampled_edges(
    edges: Float[Tensor, "rays edges"], weights: Float[Tensor, "rays bins"], *, generator: Generator | None = None
) -> Float[Tensor, "rays edges"]:
    """Return as many edges as before, which divide the weight into equal shares; at random within them."""
    count = edges.shape[1]
    within = torch.full((len(edges), count), 0.5, dtype=edges.dtype)
    if generator is not None:
        within = torch.rand(len(edges), count, generator=generator, device=generator.device)
    shares = (torch.arange(count, device=edges.device) + within.to(edges)) / count
    return sample_histogram(edges, weights, shares)


def intervals_on_rays(edges: Float[Tensor, "rays edges"]) -> RaySamples:
    """Return the intervals between edges, packed, equally many on every ray."""
    rays, count = len(edges), edges.shape[1] - 1
    owners = torch.arange(rays, device=edges.device)
    return RaySamples(
        starts=edges[:, :-1].flatten(),
        ends=edges[:, 1:].flatten(),
        rays=owners.repeat_interleave(count),
        offsets=torch.arange(rays + 1, device=edges.device) * count,
    )
