"""Histograms along rays: resampling, max-dilation and the interlevel loss, in plain PyTorch.

A histogram has edges ``t_0 <= ... <= t_n`` and in interval ``i``, from ``t_i`` to ``t_{i+1}``, the weight ``w_i >= 0``.
Intervals contain their lower edge and not their upper one.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["SMALLEST_WEIGHT", "dilate_histogram", "interlevel_bound", "interlevel_loss", "sample_histogram"]

SMALLEST_WEIGHT = torch.finfo(torch.float32).eps
"""Added to a weight by which is divided."""


def sample_histogram(
    edges: Float[Tensor, "rays edges"], weights: Float[Tensor, "rays bins"], shares: Float[Tensor, "rays shares"]
) -> Float[Tensor, "rays shares"]:
    """Return the distances below which the given shares of the weight lie: the inverse of the distribution function.

    Within an interval the weight is spread evenly (NeRF, section 5.2). The weights of a ray that has none count as
    equal.

    Args:
        edges: Edges of the intervals, in order.
        weights: Weight of each interval; need not sum to one.
        shares: Shares of the weight, 0 to 1.

    Returns:
        One distance for each share.
    """
    has_weight = weights.sum(1, keepdim=True) > 0
    mass = torch.where(has_weight, weights, 1.0)
    until = mass.cumsum(1)
    until = until / until[:, -1:]
    index = torch.searchsorted(until, shares.contiguous(), right=True).clamp_max(weights.shape[1] - 1)
    below = torch.cat([torch.zeros_like(until[:, :1]), until], dim=1)
    low, high = below.gather(1, index), below.gather(1, index + 1)
    # Where the interval has no weight (at the upper end of the last one) the share stands at its upper edge.
    part = torch.where(high > low, (shares - low) / (high - low), 1.0).clamp(0, 1)
    start, end = edges.gather(1, index), edges.gather(1, index + 1)
    return start + part * (end - start)


def dilate_histogram(
    edges: Float[Tensor, "rays edges"],
    weights: Float[Tensor, "rays bins"],
    dilation: float,
    *,
    lowest: float,
    highest: float,
) -> tuple[Float[Tensor, "rays new_edges"], Float[Tensor, "rays new_bins"]]:
    """Widen every interval on both sides and keep the largest density at each place (mip-NeRF 360, supplement, 3.1).

    Args:
        edges: Edges of the intervals, in order.
        weights: Weight of each interval.
        dilation: Distance by which an interval grows on each side.
        lowest: No edge moves below it.
        highest: No edge moves above it.

    Returns:
        ``3 n + 1`` edges, and ``3 n`` weights that sum to one (to zero if there was no weight).
    """
    tiny = torch.finfo(edges.dtype).tiny
    density = weights / edges.diff(dim=1).clamp_min(tiny)
    lower, upper = edges[:, :-1] - dilation, edges[:, 1:] + dilation
    new_edges = torch.cat([edges, lower, upper], dim=1).sort(1).values.clamp(lowest, highest)
    places = new_edges[:, :-1, None]
    is_within = (lower[:, None, :] <= places) & (places < upper[:, None, :])
    height = torch.where(is_within, density[:, None, :], 0.0).amax(2)
    new_weights = height * new_edges.diff(dim=1)
    return new_edges, new_weights / new_weights.sum(1, keepdim=True).clamp_min(tiny)


def interlevel_bound(
    edges: Float[Tensor, "rays edges"],
    envelope_edges: Float[Tensor, "rays envelope_edges"],
    envelope_weights: Float[Tensor, "rays envelope_bins"],
) -> Float[Tensor, "rays bins"]:
    """Sum, for each interval, the weights of the envelope's intervals that overlap it (mip-NeRF 360, eq. 12).

    Args:
        edges: Edges of the finer histogram.
        envelope_edges: Edges of the coarser one.
        envelope_weights: Weights of the coarser one; the result is differentiable in them.

    Returns:
        Upper bound of each fine weight, if the two histograms agree.
    """
    last = envelope_weights.shape[1]
    first = torch.searchsorted(envelope_edges, edges[:, :-1].contiguous(), right=True) - 1
    until = torch.searchsorted(envelope_edges, edges[:, 1:].contiguous())
    first, until = first.clamp(0, last), until.clamp(0, last)
    below = torch.cat([torch.zeros_like(envelope_weights[:, :1]), envelope_weights.cumsum(1)], dim=1)
    is_any = first < until
    return torch.where(is_any, below.gather(1, until) - below.gather(1, first), 0.0)


def interlevel_loss(
    edges: Float[Tensor, "rays edges"],
    weights: Float[Tensor, "rays bins"],
    envelope_edges: Float[Tensor, "rays envelope_edges"],
    envelope_weights: Float[Tensor, "rays envelope_bins"],
) -> Float[Tensor, " rays"]:
    """Return by how much a coarser histogram of each ray fails to cover a finer one (mip-NeRF 360, eq. 13).

    Args:
        edges: Edges of the finer histogram.
        weights: Its weights.
        envelope_edges: Edges of the coarser one.
        envelope_weights: Weights of the coarser one; the result is differentiable in them.

    Returns:
        The sum over intervals of ``max(0, w - bound)² / w``.
    """
    excess = (weights - interlevel_bound(edges, envelope_edges, envelope_weights)).clamp(min=0.0)
    return (excess * (excess / (weights + SMALLEST_WEIGHT))).sum(1)
