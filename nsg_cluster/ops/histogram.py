"""Histograms along rays: resampling, max-dilation and the interlevel bound.

A histogram has edges ``t_0 <= ... <= t_n`` and in interval ``i``, from ``t_i`` to ``t_{i+1}``, the weight ``w_i >= 0``.
Intervals contain their lower edge and not their upper one.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import Arguments
from nsg_cluster.ops.reference import histogram as reference

__all__ = ["dilate_histogram", "interlevel_bound", "sample_histogram"]


def _check_histogram(arguments: Arguments, edges: Tensor, weights: Tensor, *, prefix: str = "") -> None:
    arguments.check(f"{prefix}weights", weights, ("rays", f"{prefix}bins"))
    arguments.require(f"the number of {prefix}bins", weights.shape[1], allowed="1 or more", fits=weights.shape[1] >= 1)
    arguments.check(f"{prefix}edges", edges, ("rays", weights.shape[1] + 1))


def sample_histogram(
    edges: Float[Tensor, "rays edges"], weights: Float[Tensor, "rays bins"], shares: Float[Tensor, "rays shares"]
) -> Float[Tensor, "rays shares"]:
    """Return the distances below which given shares of the weight lie: the inverse of the distribution function.

    Within an interval the weight is spread evenly (NeRF, section 5.2). The weights of a ray that has none count as
    equal. No gradient: resampled places are constants to the network that is evaluated there.

    Args:
        edges: Edges of the intervals, in order.
        weights: Weight of each interval; need not sum to one.
        shares: Shares of the weight, 0 to 1; quickest in ascending order.

    Returns:
        One distance for each share.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device.
    """
    arguments = Arguments("sample_histogram")
    _check_histogram(arguments, edges, weights)
    arguments.check("shares", shares, ("rays", "shares"))
    kernels = library.kernels(edges)
    with torch.no_grad():
        if kernels is None:
            return reference.sample_histogram(edges, weights, shares)
        distances = torch.empty_like(shares, memory_format=torch.contiguous_format)
        kernels.sample_histogram(*_plain(edges, weights, shares), distances)
        return distances


def dilate_histogram(
    edges: Float[Tensor, "rays edges"],
    weights: Float[Tensor, "rays bins"],
    dilation: float,
    *,
    lowest: float,
    highest: float,
) -> tuple[Float[Tensor, "rays new_edges"], Float[Tensor, "rays new_bins"]]:
    """Widen every interval on both sides and keep the largest density at each place (mip-NeRF 360, supplement, 3.1).

    No gradient: it prepares resampling.

    Args:
        edges: Edges of the intervals, in order.
        weights: Weight of each interval.
        dilation: Distance by which an interval grows on each side.
        lowest: No edge moves below it.
        highest: No edge moves above it.

    Returns:
        ``3 n + 1`` edges, and ``3 n`` weights that sum to one (to zero if there was no weight).

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, or the dilation is negative.
    """
    arguments = Arguments("dilate_histogram")
    _check_histogram(arguments, edges, weights)
    arguments.require("dilation", dilation, allowed="0 or more", fits=dilation >= 0)
    kernels = library.kernels(edges)
    with torch.no_grad():
        if kernels is None:
            return reference.dilate_histogram(edges, weights, dilation, lowest=lowest, highest=highest)
        rays, bins = weights.shape
        new_edges, new_weights = edges.new_empty(rays, 3 * bins + 1), edges.new_empty(rays, 3 * bins)
        limits = (float(dilation), float(lowest), float(highest))
        kernels.dilate_histogram(*_plain(edges, weights), *limits, new_edges, new_weights)
        return new_edges, new_weights


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

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device.
    """
    arguments = Arguments("interlevel_bound")
    _check_histogram(arguments, envelope_edges, envelope_weights, prefix="envelope_")
    arguments.check("edges", edges, ("rays", "edges"))
    arguments.require("the number of edges", edges.shape[1], allowed="1 or more", fits=edges.shape[1] >= 1)
    kernels = library.kernels(edges)
    if kernels is None:
        return reference.interlevel_bound(edges, envelope_edges, envelope_weights)
    bound: Tensor = _InterlevelBound.apply(  # type: ignore[no-untyped-call]
        edges, envelope_edges, envelope_weights, kernels
    )
    return bound


class _InterlevelBound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        *tensors, kernels = arguments
        edges, envelope_edges, envelope_weights = _plain(*tensors)
        bound = edges.new_empty(edges.shape[0], edges.shape[1] - 1)
        kernels.interlevel_bound_forward(edges, envelope_edges, envelope_weights, bound)
        ctx.save_for_backward(edges, envelope_edges)
        ctx.kernels = kernels
        return bound

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        edges, envelope_edges = ctx.saved_tensors
        gradient = edges.new_empty(envelope_edges.shape[0], envelope_edges.shape[1] - 1)
        ctx.kernels.interlevel_bound_backward(edges, envelope_edges, grad.contiguous(), gradient)
        return None, None, gradient, None


def _plain(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors as the kernels take them."""
    return [tensor.detach().contiguous() for tensor in tensors]
