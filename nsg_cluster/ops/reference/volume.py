"""Volume rendering of packed samples, in plain PyTorch.

Samples of ray ``r`` are ``offsets[r]`` to ``offsets[r + 1]``. ``w`` are weights, ``m`` midpoints, ``T`` the
transmittance before a sample. Rays are padded to one length here, so that each sum runs along a row in order.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["composite", "composite_merged", "distortion"]


class _Rows:
    """Places of packed samples in a matrix with one row for each ray."""

    def __init__(self, offsets: Int[Tensor, " rays_plus_one"], num_samples: int) -> None:
        counts = offsets.diff()
        self.rays = torch.repeat_interleave(counts, output_size=num_samples)
        self.columns = torch.arange(num_samples, device=offsets.device) - offsets[self.rays]
        self.shape = (len(counts), int(counts.max()) if len(counts) else 0)

    def pad(self, packed: Float[Tensor, " samples"]) -> Float[Tensor, "rays length"]:
        """Return a matrix of the values, zero behind the last of each row."""
        return packed.new_zeros(self.shape).index_put((self.rays, self.columns), packed)

    def pack(self, padded: Float[Tensor, "rays length"]) -> Float[Tensor, " samples"]:
        """Return the values of the samples; the inverse of ``pad``."""
        return padded[self.rays, self.columns]


def composite(
    densities: Float[Tensor, " samples"],
    colors: Float[Tensor, "samples 3"],
    starts: Float[Tensor, " samples"],
    ends: Float[Tensor, " samples"],
    offsets: Int[Tensor, " rays_plus_one"],
    *,
    transmittance_threshold: float = 0.0,
) -> tuple[Float[Tensor, " samples"], Float[Tensor, "rays 3"], Float[Tensor, " rays"], Float[Tensor, " rays"]]:
    """Sum colors along rays by the rendering quadrature (NeRF, eq. 3; https://arxiv.org/abs/2003.08934).

    ``w_i = T_i (1 - exp(-s_i d_i))`` with ``T_i = exp(-sum_{j<i} s_j d_j)``, density ``s`` and length ``d``. A ray
    ends, and its weights are zero, from the first sample on whose ``T_i`` is at or below the threshold.

    Args:
        densities: Density of each sample, per scene unit.
        colors: Color of each sample.
        starts: Distance at which each sample begins.
        ends: Distance at which each sample ends.
        offsets: First sample of each ray, and the total at the end.
        transmittance_threshold: A ray ends where at most this fraction of its light is left.

    Returns:
        Weight of each sample; and for each ray the color, the opacity, and the sum of weight times midpoint.
    """
    rows = _Rows(offsets, len(densities))
    optical_depth = rows.pad(densities * (ends - starts))
    # Not the sum less the last term: the last interval of a ray may be endless.
    before = torch.nn.functional.pad(optical_depth, (1, 0)).cumsum(1)[:, :-1]
    transmittance = torch.exp(-before)
    is_lit = transmittance.detach() > transmittance_threshold
    padded = torch.where(is_lit, -transmittance * torch.expm1(-optical_depth), 0.0)
    weights = rows.pack(padded)
    channels = [(padded * rows.pad(channel)).sum(1) for channel in colors.unbind(1)]
    depth_sum = (padded * rows.pad(0.5 * (starts + ends))).sum(1)
    return weights, torch.stack(channels, dim=1), padded.sum(1), depth_sum


def composite_merged(
    densities: Float[Tensor, " samples"],
    colors: Float[Tensor, "samples 3"],
    starts: Float[Tensor, " samples"],
    ends: Float[Tensor, " samples"],
    offsets: Int[Tensor, " rays_plus_one"],
    *,
    order: Int[Tensor, " samples"],
    places: Float[Tensor, " samples"],
    transmittance_threshold: float = 0.0,
) -> tuple[Float[Tensor, " samples"], Float[Tensor, "rays 3"], Float[Tensor, " rays"], Float[Tensor, " rays"]]:
    """Composite samples that were merged (`ops.merge`): density and color of sample ``i`` stand at ``order[i]``.

    Args:
        densities: Density of each sample, per scene unit, in the order before.
        colors: Color of each, in the order before.
        starts: Distance at which each begins, in order.
        ends: Distance at which each ends.
        offsets: First sample of each ray, and the total at the end.
        order: Where each sample was before.
        places: Where each is seen.
        transmittance_threshold: A ray ends where at most this fraction of its light is left.

    Returns:
        Weight of each sample, in order; and for each ray color, opacity, and the sum of weight times place.
    """
    weights, color, opacity, _ = composite(
        densities[order], colors[order], starts, ends, offsets, transmittance_threshold=transmittance_threshold
    )
    rows = _Rows(offsets, len(densities))
    return weights, color, opacity, rows.pad(weights * places).sum(1)


def distortion(
    weights: Float[Tensor, " samples"],
    starts: Float[Tensor, " samples"],
    ends: Float[Tensor, " samples"],
    offsets: Int[Tensor, " rays_plus_one"],
) -> Float[Tensor, " rays"]:
    """Measure how spread out the weights of each ray are (mip-NeRF 360, eq. 15; https://arxiv.org/abs/2111.12077).

    ``sum_ij w_i w_j |m_i - m_j| + 1/3 sum_i w_i^2 d_i``, as prefix sums over samples in order of distance (DVGO v2,
    https://arxiv.org/abs/2206.05085): ``2 sum_i w_i (m_i W_i - M_i)`` with ``W_i = sum_{j<i} w_j`` and
    ``M_i = sum_{j<i} w_j m_j``.
    """
    rows = _Rows(offsets, len(weights))
    w, m, d = rows.pad(weights), rows.pad(0.5 * (starts + ends)), rows.pad(ends - starts)
    wm = w * m
    between = 2 * w * (m * (w.cumsum(1) - w) - (wm.cumsum(1) - wm))
    return (between + w.square() * d / 3).sum(1)
