"""Histograms along rays: resampling, max-dilation and the interlevel loss.

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
from nsg_cluster.ops.reference.histogram import SMALLEST_WEIGHT

__all__ = ["dilate_histogram", "interlevel_loss", "sample_histogram"]


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


def interlevel_loss(
    edges: Float[Tensor, "rays edges"],
    weights: Float[Tensor, "rays bins"],
    envelope_edges: Float[Tensor, "rays envelope_edges"],
    envelope_weights: Float[Tensor, "rays envelope_bins"],
) -> Float[Tensor, " rays"]:
    """Return by how much a coarser histogram of each ray fails to cover a finer one (mip-NeRF 360, eq. 13).

    The weights of the finer one are constants; ``SMALLEST_WEIGHT`` is added where they divide.

    Args:
        edges: Edges of the finer histogram.
        weights: Its weights.
        envelope_edges: Edges of the coarser one.
        envelope_weights: Weights of the coarser one; the result is differentiable in them.

    Returns:
        The sum over intervals of ``max(0, w - bound)² / w``, where ``bound`` is the weight of all intervals of the
        coarser histogram that overlap one of the finer (eq. 12). It is 0 where the two agree.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device.
    """
    arguments = Arguments("interlevel_loss")
    _check_histogram(arguments, envelope_edges, envelope_weights, prefix="envelope_")
    _check_histogram(arguments, edges, weights)
    kernels, weights = library.kernels(edges), weights.detach()
    if kernels is None:
        return reference.interlevel_loss(edges, weights, envelope_edges, envelope_weights)
    loss: Tensor = _InterlevelLoss.apply(  # type: ignore[no-untyped-call]
        edges, weights, envelope_edges, envelope_weights, kernels
    )
    return loss


class _InterlevelLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        *tensors, kernels = arguments
        edges, weights, envelope_edges, envelope_weights = _plain(*tensors)
        loss, slopes = edges.new_empty(edges.shape[0]), torch.empty_like(weights)
        kernels.interlevel_loss_forward(edges, weights, envelope_edges, envelope_weights, SMALLEST_WEIGHT, loss, slopes)
        ctx.save_for_backward(edges, envelope_edges, slopes)
        ctx.kernels = kernels
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        edges, envelope_edges, slopes = ctx.saved_tensors
        gradient = edges.new_empty(envelope_edges.shape[0], envelope_edges.shape[1] - 1)
        ctx.kernels.interlevel_loss_backward(edges, envelope_edges, slopes, grad.contiguous(), gradient)
        return None, None, None, gradient, None


def _plain(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors as the kernels take them."""
    return [tensor.detach().contiguous() for tensor in tensors]
