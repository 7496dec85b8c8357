"""Sinusoidal encodings of coordinates, and their expectation over Gaussians.

Frequencies are ``2^k`` for ``k`` from ``lowest`` to ``lowest + count - 1``. The result holds, for each frequency, the
sines of all coordinates and then their cosines.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import Arguments
from nsg_cluster.ops.reference import frequency as reference

__all__ = ["frequency_encode", "integrated_encode"]


def _check_frequencies(arguments: Arguments, count: int, lowest: int) -> None:
    arguments.require("count", count, allowed="1 or more", fits=count >= 1)
    arguments.require("lowest", lowest, allowed=f"-64 to {64 - count}", fits=-64 <= lowest <= 64 - count)


def frequency_encode(
    values: Float[Tensor, "points dims"], count: int, *, lowest: int = 0
) -> Float[Tensor, "points features"]:
    """Encode coordinates by sines and cosines (NeRF, eq. 4, without its factor pi); differentiable.

    Args:
        values: Coordinates.
        count: Number of frequencies.
        lowest: Base-2 logarithm of the first frequency.

    Raises:
        TypeError: The tensor has a wrong dtype.
        ValueError: The tensor has a wrong shape, or there are no frequencies.
    """
    arguments = Arguments("frequency_encode")
    arguments.check("values", values, ("points", "dims"))
    _check_frequencies(arguments, count, lowest)
    kernels = library.kernels(values)
    if kernels is None:
        return reference.frequency_encode(values, count, lowest)
    encoded: Tensor = _Encode.apply(values, None, count, lowest, kernels)  # type: ignore[no-untyped-call]
    return encoded


def integrated_encode(
    means: Float[Tensor, "points dims"], variances: Float[Tensor, "points dims"], count: int, *, lowest: int = 0
) -> Float[Tensor, "points features"]:
    """Encode Gaussians by the expected sines and cosines of their coordinates (mip-NeRF, eq. 14); differentiable.

    Args:
        means: Mean of each coordinate.
        variances: Variance of each coordinate, 0 or more.
        count: Number of frequencies.
        lowest: Base-2 logarithm of the first frequency.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, or there are no frequencies.
    """
    arguments = Arguments("integrated_encode")
    arguments.check("means", means, ("points", "dims"))
    arguments.check("variances", variances, ("points", "dims"))
    _check_frequencies(arguments, count, lowest)
    kernels = library.kernels(means)
    if kernels is None:
        return reference.integrated_encode(means, variances, count, lowest)
    encoded: Tensor = _Encode.apply(means, variances, count, lowest, kernels)  # type: ignore[no-untyped-call]
    return encoded


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        *tensors, count, lowest, kernels = arguments
        means = tensors[0].detach().contiguous()
        variances = None if tensors[1] is None else tensors[1].detach().contiguous()
        encoded: Tensor = means.new_empty(means.shape[0], 2 * count * means.shape[1])
        kernels.frequency_encode_forward(count, lowest, means, variances, encoded)
        ctx.save_for_backward(*tensors)
        ctx.frequencies, ctx.kernels = (count, lowest), kernels
        return encoded

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        means, variances = ctx.saved_tensors
        if torch.is_grad_enabled():  # whoever trains normals differentiates these gradients in turn
            return (*_gradients(means, variances, grad, *ctx.frequencies), None, None, None)
        means = means.contiguous()
        grad_means = torch.empty_like(means)
        grad_variances = None if variances is None else torch.empty_like(means)
        ctx.kernels.frequency_encode_backward(
            *ctx.frequencies,
            means,
            None if variances is None else variances.contiguous(),
            grad.contiguous(),
            grad_means,
            grad_variances,
        )
        return grad_means, grad_variances, None, None, None


def _gradients(
    means: Tensor, variances: Tensor | None, grad: Tensor, count: int, lowest: int
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of means and variances, differentiable, from the encoding itself.

    The derivative of a damped sine by the mean is the frequency times the damped cosine, that of a damped cosine the
    negative of the other; by the variance each is multiplied by half the square of the frequency, negative.
    """
    if variances is None:
        encoded = frequency_encode(means, count, lowest=lowest)
    else:
        encoded = integrated_encode(means, variances, count, lowest=lowest)
    frequencies = 2.0 ** torch.arange(lowest, lowest + count, dtype=means.dtype, device=means.device)[:, None]
    sines, cosines = encoded.view(len(means), count, 2, -1).unbind(2)
    of_sines, of_cosines = grad.view(len(means), count, 2, -1).unbind(2)
    by_mean = (frequencies * (of_sines * cosines - of_cosines * sines)).sum(1)
    if variances is None:
        return by_mean, None
    return by_mean, (-0.5 * frequencies.square() * (of_sines * sines + of_cosines * cosines)).sum(1)
