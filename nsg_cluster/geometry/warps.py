"""Maps that make an endless scene finite: contraction of space, spacing of distances; each with its inverse.

``x`` is a position in units in which the nearby scene has radius 1; contracted, space fills the ball of radius 2 of the
same norm. ``t`` is a distance along a ray, ``s`` its place between 0 (near) and 1 (far).
Source: Barron et al., mip-NeRF 360, https://arxiv.org/abs/2111.12077.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Contraction", "Spacing", "contract", "from_spacing", "to_spacing", "to_unit_cube", "uncontract"]

Contraction = Literal["none", "l2", "linf"]
Spacing = Literal["linear", "disparity", "piecewise"]


def contract(x: Float[Tensor, "points 3"], norm: Contraction) -> Float[Tensor, "points 3"]:
    """Return ``x`` where its norm is at most 1, and ``(2 - 1/|x|) x/|x|`` beyond (eq. 10).

    ``l2`` is the paper's norm, ``linf`` the largest coordinate, whose ball is a cube and fills a grid; ``none`` changes
    nothing.
    """
    if norm == "none":
        return x
    size = _size(x, norm)
    return x * ((2.0 - 1.0 / size) / size)


def uncontract(y: Float[Tensor, "points 3"], norm: Contraction) -> Float[Tensor, "points 3"]:
    """Return what ``contract`` maps to ``y``, whose norm is less than 2."""
    if norm == "none":
        return y
    size = _size(y, norm)
    return y / (size * (2.0 - size))


def to_unit_cube(
    positions: Float[Tensor, "points 3"], box: Float[Tensor, "2 3"], contraction: Contraction
) -> Float[Tensor, "points 3"]:
    """Return where positions lie in the cube from 0 to 1 that holds the box, or all of contracted space."""
    if contraction == "none":
        return (positions - box[0]) / (box[1] - box[0])
    center, half = (box[0] + box[1]) / 2, (box[1] - box[0]) / 2
    return contract((positions - center) / half, contraction) / 4 + 0.5


def to_spacing(
    t: Float[Tensor, "rays places"],
    near: Float[Tensor, " rays"],
    far: Float[Tensor, " rays"],
    spacing: Spacing,
    *,
    unit: float = 1.0,
) -> Float[Tensor, "rays places"]:
    """Return the place ``s`` of a distance: 0 at ``near``, 1 at ``far`` (section 4.1, eq. 11).

    Args:
        t: Distances.
        near: Where rays begin; more than 0 for ``disparity``.
        far: Where rays end, beyond ``near``.
        spacing: In which quantity equal steps of ``s`` are equal: distance, its inverse, or distance up to ``unit`` and
            its inverse from there on.
        unit: Distance at which ``piecewise`` changes.
    """
    low, high = _warped(near[:, None], spacing, unit), _warped(far[:, None], spacing, unit)
    return (_warped(t, spacing, unit) - low) / (high - low)


def from_spacing(
    s: Float[Tensor, "rays places"],
    near: Float[Tensor, " rays"],
    far: Float[Tensor, " rays"],
    spacing: Spacing,
    *,
    unit: float = 1.0,
) -> Float[Tensor, "rays places"]:
    """Return the distance at a place; the inverse of ``to_spacing``, and ``near`` everywhere on a ray of no length."""
    low, high = _warped(near[:, None], spacing, unit), _warped(far[:, None], spacing, unit)
    # Exact at both ends: near the far one, the warped distance is a small difference of large ones.
    return _unwarped(torch.lerp(low, high, s), spacing, unit)


def _size(x: Tensor, norm: Contraction) -> Tensor:
    """Return the norm of each row, 1 where it is less: there the maps and their gradients are those of the identity."""
    largest = x.abs().amax(-1, keepdim=True)
    if norm == "l2":
        # Squares of what is far away leave the range of the numbers.
        unit = largest.detach().clamp(min=1.0)
        largest = unit * torch.linalg.vector_norm(x / unit, dim=-1, keepdim=True)
    return largest.clamp(min=1.0)


def _warped(t: Tensor, spacing: Spacing, unit: float) -> Tensor:
    if spacing == "linear":
        return t
    if spacing == "disparity":
        return -1.0 / t
    scaled = t / unit
    return torch.where(scaled < 1, scaled, 2.0 - 1.0 / scaled.clamp(min=1.0))


def _unwarped(g: Tensor, spacing: Spacing, unit: float) -> Tensor:
    if spacing == "linear":
        return g
    if spacing == "disparity":
        return -1.0 / g
    # What is so far away that 2 is the nearest number ends at the farthest distance that can be told.
    return unit * torch.where(g < 1, g, 1.0 / (2.0 - g.clamp(min=1.0)).clamp(min=torch.finfo(g.dtype).eps))
