"""From samples, densities and colors to rendered rays.

A sample of density s and length d has the opacity a = 1 - exp(-s d); the transmittance T before it is the product of
1 - a over the samples in front of it, and its weight is w = a T (Mildenhall et al., NeRF,
https://arxiv.org/abs/2003.08934, eq. 3).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nsg_cluster.geometry.rays import RaySamples
from nsg_cluster.ops.histogram import interlevel_loss
from nsg_cluster.ops.volume import composite, distortion
from nsg_cluster.render.rendering import Rendering

__all__ = ["keep_samples", "ray_distortion", "ray_interlevel", "render_in_rounds", "render_samples", "visible"]

Evaluate = Callable[[Int[Tensor, " chosen"]], tuple[Float[Tensor, " chosen"], Float[Tensor, "chosen 3"]]]

_TINY = 1e-10


def render_samples(
    samples: RaySamples,
    densities: Float[Tensor, " samples"],
    colors: Float[Tensor, "samples 3"],
    *,
    background: Float[Tensor, "rays 3"],
    transmittance_threshold: float = 0.0,
) -> Rendering:
    """Composite all samples at once, over a background; differentiable in densities and colors."""
    weights, color, opacity, depth_sum = composite(
        densities,
        colors,
        samples.starts,
        samples.ends,
        samples.offsets,
        transmittance_threshold=transmittance_threshold,
    )
    if samples.are_points:
        # The last point of a ray has an interval without end, whose middle is nowhere.
        depth_sum = torch.zeros_like(opacity).index_add(0, samples.rays, weights * samples.starts)
    return Rendering(
        color=color + (1 - opacity)[:, None] * background,
        opacity=opacity,
        depth=depth_sum / opacity.clamp(min=_TINY),
        samples=samples,
        weights=weights,
    )


def render_in_rounds(
    samples: RaySamples,
    evaluate: Evaluate,
    *,
    background: Float[Tensor, "rays 3"],
    transmittance_threshold: float,
    points_per_round: int = 1 << 16,
) -> Rendering:
    """Composite front to back, and evaluate nothing behind what is already opaque.

    Each round takes the next few samples of the rays that still have samples and more than
    ``transmittance_threshold`` of their light, as many as make about ``points_per_round`` field evaluations; memory
    does not grow with the number of samples beyond the intervals themselves. Samples that were not reached have
    weight 0. Not differentiable.

    Args:
        samples: Intervals of all rays.
        evaluate: Gives density and color of the samples with the given indices.
        background: Color behind each ray.
        transmittance_threshold: A ray ends after the round that leaves less than this fraction of its light.
        points_per_round: Field evaluations aimed at in each round.
    """
    starts, ends, offsets = samples.starts, samples.ends, samples.offsets
    color = torch.zeros_like(background)
    depth_sum, light = starts.new_zeros(len(background)), starts.new_ones(len(background))
    weights = torch.zeros_like(starts)
    cursor = offsets[:-1].clone()
    alive = torch.nonzero(cursor < offsets[1:])[:, 0]
    while len(alive) > 0:
        counts = (offsets[alive + 1] - cursor[alive]).clamp(max=max(4, points_per_round // len(alive)))
        chosen, local_offsets = _ranges(cursor[alive], counts)
        local_weights, local_color, local_opacity, local_depth = composite(
            *evaluate(chosen), starts[chosen], ends[chosen], local_offsets
        )
        before = light[alive]
        weights[chosen] = local_weights * before.repeat_interleave(counts)
        color[alive] += local_color * before[:, None]
        depth_sum[alive] += local_depth * before
        light[alive] = before * (1 - local_opacity)
        cursor[alive] += counts
        alive = alive[(light[alive] > transmittance_threshold) & (cursor[alive] < offsets[alive + 1])]
    opacity = 1 - light
    return Rendering(
        color=color + light[:, None] * background,
        opacity=opacity,
        depth=depth_sum / opacity.clamp(min=_TINY),
        samples=samples,
        weights=weights,
    )


def visible(
    samples: RaySamples, densities: Float[Tensor, " samples"], transmittance_threshold: float
) -> Bool[Tensor, " samples"]:
    """Say which samples get more than ``transmittance_threshold`` of their ray's light."""
    optical = densities * (samples.ends - samples.starts)
    # One running sum over all rays, each ray's own start taken off; double precision, because it grows with every ray.
    running = torch.cat([optical.new_zeros(1, dtype=torch.float64), optical.double().cumsum(0)])
    in_front = running[:-1] - running[samples.offsets[samples.rays]]
    return in_front < -torch.log(optical.new_tensor(transmittance_threshold, dtype=torch.float64))


def keep_samples(samples: RaySamples, kept: Bool[Tensor, " samples"]) -> RaySamples:
    """Return the marked samples, still packed in ray order."""
    counted = torch.cat([samples.offsets.new_zeros(1), kept.cumsum(0)])
    return RaySamples(
        starts=samples.starts[kept],
        ends=samples.ends[kept],
        rays=samples.rays[kept],
        offsets=counted[samples.offsets],
        are_points=samples.are_points,
    )


def ray_distortion(rendering: Rendering) -> Float[Tensor, " rays"]:
    """Return the distortion of each ray (mip-NeRF 360, https://arxiv.org/abs/2111.12077, eq. 15).

    In normalized distance where samples come from proposals, otherwise in scene units.
    """
    samples = rendering.samples
    if not rendering.histograms:
        return distortion(rendering.weights, samples.starts, samples.ends, samples.offsets)
    found = rendering.histograms[-1]
    starts, ends = found.edges[:, :-1].flatten(), found.edges[:, 1:].flatten()
    rays, bins = found.weights.shape
    offsets = torch.arange(rays + 1, device=starts.device) * bins
    return distortion(found.weights.flatten(), starts, ends, offsets)


def ray_interlevel(rendering: Rendering) -> Float[Tensor, " rays"]:
    """Return by how much the proposals of each ray fail to cover what the field found there.

    The mean over intervals of ``max(0, w - bound)² / w``, summed over the rounds of proposals; the field's own weights
    ``w`` are constants (mip-NeRF 360, https://arxiv.org/abs/2111.12077, eq. 13, where intervals are summed).
    """
    *proposals, found = rendering.histograms
    loss = torch.zeros_like(rendering.opacity)
    for proposal in proposals:
        loss = loss + interlevel_loss(found.edges, found.weights, proposal.edges, proposal.weights)
    return loss / found.weights.shape[1]


def _ranges(
    first: Int[Tensor, " rays"], counts: Int[Tensor, " rays"]
) -> tuple[Int[Tensor, " chosen"], Int[Tensor, " rays_plus_one"]]:
    """Return ``first[i] .. first[i] + counts[i] - 1`` of every ray in a row, and where each ray's run begins."""
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    shift = (first - offsets[:-1]).repeat_interleave(counts)
    return torch.arange(len(shift), device=first.device) + shift, offsets
