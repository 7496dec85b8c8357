"""Volume rendering of samples that lie packed in ray order: compositing and the distortion loss.

Samples of ray ``r`` are ``offsets[r]`` to ``offsets[r + 1]``, nearest first; a ray may have none.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import INDICES, Arguments
from nsg_cluster.ops.reference import volume as reference

__all__ = ["composite", "composite_merged", "distortion"]


def composite(
    densities: Float[Tensor, " samples"],
    colors: Float[Tensor, "samples 3"],
    starts: Float[Tensor, " samples"],
    ends: Float[Tensor, " samples"],
    offsets: Int[Tensor, " rays_plus_one"],
    *,
    transmittance_threshold: float = 0.0,
) -> tuple[Float[Tensor, " samples"], Float[Tensor, "rays 3"], Float[Tensor, " rays"], Float[Tensor, " rays"]]:
    """Sum colors along rays by the rendering quadrature (NeRF, eq. 3); differentiable in densities and colors.

    Args:
        densities: Density of each sample, per scene unit.
        colors: Color of each sample.
        starts: Distance at which each sample begins.
        ends: Distance at which each sample ends.
        offsets: First sample of each ray, and the total at the end.
        transmittance_threshold: A ray ends at the first sample that at most this fraction of its light reaches.

    Returns:
        Weight of each sample; and for each ray the color (no background), the opacity, and the sum of weight times
        midpoint.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, or the threshold is out of range.
    """
    samples = (densities, colors, starts, ends, offsets)
    _check("composite", samples, transmittance_threshold)
    kernels = library.kernels(densities)
    if kernels is None:
        return reference.composite(*samples, transmittance_threshold=transmittance_threshold)
    passes = (kernels.composite_forward, kernels.composite_backward)
    result: tuple[Tensor, Tensor, Tensor, Tensor] = _Composite.apply(  # type: ignore[no-untyped-call]
        *samples, float(transmittance_threshold), passes
    )
    return result


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
    """Composite samples that were merged (`ops.merge`), each read from, and its gradient written, where it was before.

    Args:
        densities: Density of each sample, per scene unit, in the order before.
        colors: Color of each, in the order before.
        starts: Distance at which each begins, in order.
        ends: Distance at which each ends.
        offsets: First sample of each ray, and the total at the end.
        order: Where each sample was before, each place once.
        places: Where each is seen.
        transmittance_threshold: A ray ends at the first sample that at most this fraction of its light reaches.

    Returns:
        Weight of each sample, in order; and for each ray color, opacity, and the sum of weight times place.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, the threshold is out of range, or (found on the CPU alone) a
            place before does not exist.
    """
    samples = (densities, colors, starts, ends, offsets)
    arguments = _check("composite_merged", samples, transmittance_threshold)
    arguments.check("order", order, ("samples",), INDICES)
    arguments.check("places", places, ("samples",))
    arguments.check_indices("order", order, lowest=0, end=len(order))
    kernels = library.kernels(densities)
    if kernels is None:
        return reference.composite_merged(
            *samples, order=order, places=places, transmittance_threshold=transmittance_threshold
        )
    passes = (kernels.composite_merged_forward, kernels.composite_merged_backward)
    result: tuple[Tensor, Tensor, Tensor, Tensor] = _Composite.apply(  # type: ignore[no-untyped-call]
        *samples, order, places, float(transmittance_threshold), passes
    )
    return result


def _check(op: str, samples: tuple[Tensor, ...], transmittance_threshold: float) -> Arguments:
    densities, colors, starts, ends, offsets = samples
    arguments = Arguments(op)
    arguments.check("densities", densities, ("samples",))
    arguments.check("colors", colors, ("samples", 3))
    arguments.check("starts", starts, ("samples",))
    arguments.check("ends", ends, ("samples",))
    arguments.check("offsets", offsets, ("rays_plus_one",), INDICES)
    arguments.check_offsets("offsets", offsets, len(starts))
    arguments.require(
        "transmittance_threshold",
        transmittance_threshold,
        allowed="0 or more and less than 1",
        fits=0 <= transmittance_threshold < 1,
    )
    return arguments


class _Composite(torch.autograd.Function):
    """Both passes of one kernel: of packed samples, or of merged ones."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        *tensors, threshold, (forward, ctx.backward_kernel) = arguments
        samples = [tensor.detach().contiguous() for tensor in tensors]
        densities, offsets = samples[0], samples[4]
        rays = len(offsets) - 1
        weights, color = torch.empty_like(densities), densities.new_empty(rays, 3)
        opacity, depth_sum = densities.new_empty(2, rays).unbind(0)
        forward(*samples, threshold, weights, color, opacity, depth_sum)
        ctx.save_for_backward(*samples)
        ctx.threshold = threshold
        return weights, color, opacity, depth_sum

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        samples = ctx.saved_tensors
        grad_densities, grad_colors = torch.empty_like(samples[0]), torch.empty_like(samples[1])
        packed = [grad.contiguous() for grad in grads]
        ctx.backward_kernel(*samples, ctx.threshold, *packed, grad_densities, grad_colors)
        return grad_densities, grad_colors, *(None for _ in range(len(samples)))


def distortion(
    weights: Float[Tensor, " samples"],
    starts: Float[Tensor, " samples"],
    ends: Float[Tensor, " samples"],
    offsets: Int[Tensor, " rays_plus_one"],
) -> Float[Tensor, " rays"]:
    """Measure how spread out the weights of each ray are (mip-NeRF 360, eq. 15); differentiable in the weights.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device.
    """
    arguments = Arguments("distortion")
    arguments.check("weights", weights, ("samples",))
    arguments.check("starts", starts, ("samples",))
    arguments.check("ends", ends, ("samples",))
    arguments.check("offsets", offsets, ("rays_plus_one",), INDICES)
    arguments.check_offsets("offsets", offsets, len(starts))
    kernels = library.kernels(weights)
    if kernels is None:
        return reference.distortion(weights, starts, ends, offsets)
    loss: Tensor = _Distortion.apply(weights, starts, ends, offsets, kernels)  # type: ignore[no-untyped-call]
    return loss


class _Distortion(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        *tensors, kernels = arguments
        samples = [tensor.detach().contiguous() for tensor in tensors]
        loss: Tensor = samples[0].new_empty(len(samples[3]) - 1)
        kernels.distortion_forward(*samples, loss)
        ctx.save_for_backward(*samples)
        ctx.kernels = kernels
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_weights = torch.empty_like(ctx.saved_tensors[0])
        ctx.kernels.distortion_backward(*ctx.saved_tensors, grad.contiguous(), grad_weights)
        return grad_weights, None, None, None, None
