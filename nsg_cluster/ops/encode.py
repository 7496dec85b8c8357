"""Encodings of points and directions: multiresolution hash grid, spherical harmonics, truncated exponential."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from nsg_cluster.ops import buffers, library
from nsg_cluster.ops.arguments import Arguments
from nsg_cluster.ops.reference import encode as reference
from nsg_cluster.ops.reference.encode import HashGridLayout

__all__ = ["HashGridLayout", "hash_encode", "spherical_harmonics", "trunc_exp"]


def hash_encode(
    points: Float[Tensor, "points 3"], table: Float[Tensor, "entries features"], layout: HashGridLayout
) -> Float[Tensor, "points width"]:
    """Interpolate the entries around each point on every level; differentiable in both.

    Args:
        points: Positions in the unit cube; what lies outside is moved to its surface.
        table: Entries of all levels, ``layout.num_entries`` of them.
        layout: Where the entries lie.

    Returns:
        The features of the levels, coarsest first. The compiled kernels store them feature by feature, so the result
        is not contiguous: matrix products take it as it is.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device.
    """
    arguments = Arguments("hash_encode")
    arguments.check("points", points, ("points", 3))
    arguments.check("table", table, (layout.num_entries, layout.features))
    kernels = library.kernels(points)
    if kernels is None:
        return reference.hash_encode(points, table, layout)
    result: Tensor = _HashEncode.apply(points, table, layout, kernels)  # type: ignore[no-untyped-call]
    return result


class _HashEncode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, table: Tensor, layout: HashGridLayout, kernels: Any) -> Tensor:
        points, table = points.detach().contiguous(), table.detach().contiguous()
        encoded = points.new_empty(layout.width, len(points))
        kernels.hash_encode_forward(_grid(layout), points, table, encoded)
        ctx.save_for_backward(points, table)
        ctx.layout, ctx.kernels = layout, kernels
        return encoded.t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, table = ctx.saved_tensors
        grad_table = buffers.take_zeros(table)
        grad_points = torch.empty_like(points) if ctx.needs_input_grad[0] else None
        grad_encoded = grad.t().contiguous()
        ctx.kernels.hash_encode_backward(_grid(ctx.layout), points, table, grad_encoded, grad_table, grad_points)
        return grad_points, grad_table, None, None


@cache
def _grid(layout: HashGridLayout) -> Any:
    """Return the layout as the compiled kernels take it."""
    return library.module().HashGrid(layout.scales, layout.resolutions, layout.offsets, layout.features)


def spherical_harmonics(directions: Float[Tensor, "points 3"], degree: int) -> Float[Tensor, "points {degree}**2"]:
    """Evaluate the real spherical harmonics of the orders below ``degree``; differentiable.

    Args:
        directions: Unit vectors.
        degree: Number of orders, 1 to 8.

    Returns:
        Values ordered by ``l``, then ``m`` from ``-l`` to ``l``.

    Raises:
        TypeError: The tensor has a wrong dtype.
        ValueError: The tensor has a wrong shape, or the degree is out of range.
    """
    arguments = Arguments("spherical_harmonics")
    arguments.check("directions", directions, ("points", 3))
    arguments.require("degree", degree, allowed="1 to 8", fits=1 <= degree <= 8)
    kernels = library.kernels(directions)
    if kernels is None:
        return reference.spherical_harmonics(directions, degree)
    result: Tensor = _SphericalHarmonics.apply(directions, degree, kernels)  # type: ignore[no-untyped-call]
    return result


class _SphericalHarmonics(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, directions: Tensor, degree: int, kernels: Any) -> Tensor:
        directions = directions.detach().contiguous()
        encoded = directions.new_empty(len(directions), degree**2)
        kernels.spherical_harmonics_forward(degree, directions, encoded)
        ctx.save_for_backward(directions)
        ctx.degree, ctx.kernels = degree, kernels
        return encoded

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (directions,) = ctx.saved_tensors
        grad_directions = torch.empty_like(directions)
        ctx.kernels.spherical_harmonics_backward(ctx.degree, directions, grad.contiguous(), grad_directions)
        return grad_directions, None, None


def trunc_exp(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return ``exp(x)`` whose gradient is that at ``x`` clamped to ±15, so that it neither vanishes nor explodes.

    Raises:
        TypeError: The tensor has a wrong dtype.
    """
    Arguments("trunc_exp").check("x", x, tuple(x.shape))
    kernels = library.kernels(x)
    if kernels is None:
        return reference.trunc_exp(x)
    result: Tensor = _TruncExp.apply(x, kernels)  # type: ignore[no-untyped-call]
    return result


class _TruncExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: Any) -> Tensor:
        x = x.detach().contiguous()
        value = torch.empty_like(x)
        kernels.trunc_exp_forward(x.view(-1), value.view(-1))
        ctx.save_for_backward(x)
        ctx.kernels = kernels
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        grad_x = torch.empty_like(x)
        ctx.kernels.trunc_exp_backward(x.view(-1), grad.contiguous().view(-1), grad_x.view(-1))
        return grad_x, None
