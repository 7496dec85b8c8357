"""Samples spread evenly along rays: NeRF's coarse samples, and its fine ones where weights are large.

Mildenhall et al., NeRF, https://arxiv.org/abs/2003.08934, eq. 2 and section 5.2. Samples are points.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.geometry.warps import Spacing, from_spacing
from nsg_cluster.ops.histogram import sample_histogram
from nsg_cluster.sampling.base import Density, Placement

__all__ = ["StratifiedSampler", "points_on_rays", "refined"]

_SMALLEST_WEIGHT = 1e-5


class StratifiedSampler(nn.Module):
    """Equally many points on every ray, from near to far."""

    def __init__(self, count: int, *, spacing: Spacing = "linear") -> None:
        """Spread ``count`` points evenly in what ``spacing`` says."""
        super().__init__()
        self.count, self.spacing = count, spacing

    def distances(
        self, rays: Rays, *, near: float, far: float, generator: Generator | None = None
    ) -> Float[Tensor, "rays samples"]:
        """Return where the points are, in order; with a generator at random within its share, each for itself."""
        places = torch.linspace(0, 1, self.count, device=rays.origins.device).expand(len(rays), -1)
        if generator is not None:
            middle = (places[:, 1:] + places[:, :-1]) / 2
            low = torch.cat([places[:, :1], middle], dim=1)
            high = torch.cat([middle, places[:, -1:]], dim=1)
            noise = torch.rand(places.shape, generator=generator, device=generator.device).to(places.device)
            places = low + (high - low) * noise
        limit = torch.ones_like(rays.radii)
        return from_spacing(places, near * limit, far * limit, self.spacing)

    def place(self, rays: Rays, *, near: float, far: float, generator: Generator | None = None) -> Placement:
        """Place the points."""
        return Placement(samples=points_on_rays(self.distances(rays, near=near, far=far, generator=generator)))

    def before_step(self, step: int, density: Density, generator: Generator) -> None:
        """Do nothing: nothing is learned."""

    def figures(self) -> dict[str, float]:
        """Return nothing."""
        return {}


def points_on_rays(distances: Float[Tensor, "rays samples"], endless: float = 1e10) -> RaySamples:
    """Return equally many points on every ray, packed; each ends where the next one starts, the last one never."""
    rays, count = distances.shape
    owners = torch.arange(rays, device=distances.device)
    ends = torch.cat([distances[:, 1:], distances[:, -1:] + endless], dim=1)
    return RaySamples(
        starts=distances.flatten(),
        ends=ends.flatten(),
        rays=owners.repeat_interleave(count),
        offsets=torch.arange(rays + 1, device=distances.device) * count,
        are_points=True,
    )


def refined(
    distances: Float[Tensor, "rays samples"],
    weights: Float[Tensor, "rays samples"],
    count: int,
    *,
    generator: Generator | None = None,
) -> Float[Tensor, "rays more"]:
    """Return the distances together with ``count`` more, drawn where weights are large, in order (NeRF, section 5.2).

    The piecewise constant density runs between the middles of neighboring points, and has the weights of the points
    there; a little is added to each, so that it is never 0 everywhere.
    """
    middle = (distances[:, 1:] + distances[:, :-1]) / 2
    if generator is None:
        shares = torch.linspace(0, 1, count, device=distances.device).expand(len(distances), -1)
    else:
        drawn = torch.rand(len(distances), count, generator=generator, device=generator.device)
        shares = drawn.sort(dim=1).values.to(distances.device)
    more = sample_histogram(middle, weights[:, 1:-1].detach() + _SMALLEST_WEIGHT, shares.contiguous())
    return torch.cat([distances, more], dim=1).sort(dim=1).values
