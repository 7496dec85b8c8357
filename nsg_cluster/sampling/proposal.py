"""Proposal sampling: small density fields say where along a ray the large one is worth evaluating.

Each round resamples a ray by the weights that the field of the round before found there; the last places are those of
the large field, and a loss makes the proposals cover what it finds. ``s`` is normalized distance, 0 near and 1 far.
Source: Barron et al., mip-NeRF 360, https://arxiv.org/abs/2111.12077, section 3 and supplement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from nsg_cluster.geometry.rays import Histogram, Rays, RaySamples
from nsg_cluster.geometry.warps import Spacing, from_spacing
from nsg_cluster.ops.volume import composite
from nsg_cluster.sampling.base import Density, IntervalDensity, Placement, limits
from nsg_cluster.sampling.cones import intervals_on_rays
from nsg_cluster.sampling.importance import resample_dilated

__all__ = ["ProposalSampler", "annealed"]

DILATION_BIAS, DILATION_SHARE = 0.0025, 0.5


def annealed(progress: float, slope: float) -> float:
    """Return the exponent of the weights: from 0 to 1 as progress does, quickly at first (eq. 18)."""
    return slope * progress / ((slope - 1.0) * progress + 1.0)


class ProposalSampler(nn.Module):
    """Rounds of proposals; equally many samples on every ray."""

    region: Tensor | None

    def __init__(
        self,
        fields: Sequence[nn.Module],
        region: Float[Tensor, "2 3"] | None,
        *,
        rounds: Sequence[int],
        samples: int,
        spacing: Spacing,
        unit: float,
        anneal_steps: int,
        anneal_slope: float,
        padding: float,
        dilate: bool,
    ) -> None:
        """Take over the density fields.

        Args:
            fields: One for each round, or the same one for several; each an `IntervalDensity`.
            region: Lower and upper corner of what can hold anything; None for all of space.
            rounds: Samples on each ray for each of the fields.
            samples: Samples on each ray for the large field.
            spacing: How the first round divides the rays.
            unit: Distance at which the spacing ``piecewise`` changes.
            anneal_steps: Steps of training during which proposals are believed more and more.
            anneal_slope: How quickly: the slope at the beginning, over that of a straight line.
            padding: Weight that every interval has in addition when rays are resampled.
            dilate: Widen intervals by half their expected length and 0.0025 before rays are resampled.
        """
        super().__init__()
        self.fields = nn.ModuleList(fields)
        self.register_buffer("region", region, persistent=False)
        self.counts = (*rounds, samples)
        self.spacing, self.unit, self.padding, self.dilate = spacing, unit, padding, dilate
        self.anneal_steps, self.anneal_slope = anneal_steps, anneal_slope
        self.exponent = 1.0

    def place(self, rays: Rays, *, near: float, far: float, generator: Generator | None = None) -> Placement:
        """Place ``samples`` on each ray; a ray beside the region has them all in one point."""
        low, high = limits(rays, self.region, near=near, far=far)
        jitters = self._jitters(len(rays), generator, low.device)
        found = Histogram(
            edges=low.new_tensor([[0.0, 1.0]]).expand(len(rays), 2), weights=torch.ones_like(low)[:, None]
        )
        proposals: list[Histogram] = []
        for index, field in enumerate(self.fields):
            edges = self._resampled(found, index, jitters[index])
            samples = self._samples(edges, low, high)
            assert isinstance(field, IntervalDensity)
            found = Histogram(edges=edges, weights=_weights(field.along(rays, samples), samples))
            proposals.append(found)
        edges = self._resampled(found, len(self.fields), jitters[-1])
        return Placement(samples=self._samples(edges, low, high), edges=edges, proposals=tuple(proposals))

    def before_step(self, step: int, density: Density, generator: Generator) -> None:
        """Anneal."""
        del density, generator
        self.anneal(step)

    def anneal(self, step: int) -> None:
        """Believe proposals as much as is due before a step."""
        self.exponent = annealed(min(1.0, step / self.anneal_steps), self.anneal_slope) if self.anneal_steps else 1.0

    def figures(self) -> dict[str, float]:
        """Return the exponent to which weights are raised in training."""
        return {"anneal": self.exponent}

    def _jitters(self, rays: int, generator: Generator | None, device: torch.device) -> Sequence[Tensor | None]:
        """Return a number from 0 to 1 for each round and ray."""
        if generator is None:
            return [None] * len(self.counts)
        return torch.rand(len(self.counts), rays, generator=generator, device=generator.device).to(device).unbind(0)

    def _resampled(
        self, histogram: Histogram, index: int, jitter: Float[Tensor, " rays"] | None
    ) -> Float[Tensor, "rays edges"]:
        """Return the edges of a round."""
        dilation = DILATION_BIAS + DILATION_SHARE / math.prod(self.counts[:index]) if self.dilate and index > 0 else 0.0
        return resample_dilated(
            histogram.edges,
            histogram.weights.detach(),
            self.counts[index],
            dilation=dilation,
            padding=self.padding,
            exponent=self.exponent if self.training else 1.0,
            jitter=jitter,
        )

    def _samples(
        self, edges: Float[Tensor, "rays edges"], near: Float[Tensor, " rays"], far: Float[Tensor, " rays"]
    ) -> RaySamples:
        """Pack intervals, ray by ray."""
        return intervals_on_rays(from_spacing(edges, near, far, self.spacing, unit=self.unit))


def _weights(densities: Float[Tensor, " samples"], samples: RaySamples) -> Float[Tensor, "rays bins"]:
    """Return the weights of samples whose rays have equally many; differentiable in the densities."""
    colors = densities.new_zeros(1, 3).expand(len(densities), 3)
    weights = composite(densities, colors, samples.starts, samples.ends, samples.offsets)[0]
    return weights.view(len(samples.offsets) - 1, -1)
