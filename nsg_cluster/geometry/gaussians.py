"""Cones of pixels as Gaussians, as far as an encoding is told about them: along each of a few directions.

The part of a pixel's cone between two distances is a conical frustum; its mean lies on the ray, and its covariance is
``along * d dᵀ + across * (I - d dᵀ)`` for the unit direction ``d``. An encoding asks for means and variances along
directions ``p``; these follow from inner products, so that no covariance matrix is ever made.

Sources: Barron et al., mip-NeRF, https://arxiv.org/abs/2103.13415, and mip-NeRF 360, https://arxiv.org/abs/2111.12077.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.geometry.rays import Rays, RaySamples

__all__ = ["Frustums", "along", "contracted_along", "frustums"]

FARTHEST = 1e15
"""Distances beyond are taken for this one, whose square is still a number in single precision."""
NEAREST = 1e-12
"""Shorter distances divide nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frustums:
    """Gaussians of conical frustums."""

    means: Float[Tensor, "points 3"]
    """In world coordinates."""
    directions: Float[Tensor, "points 3"]
    """Unit vectors of the rays."""
    along: Float[Tensor, " points"]
    """Variance along the ray."""
    across: Float[Tensor, " points"]
    """Variance in each direction at right angles to it."""


def frustums(rays: Rays, samples: RaySamples, *, shape: str = "cone") -> Frustums:
    """Return the Gaussians of intervals (mip-NeRF, eq. 7, by the ratio of half length and distance).

    Args:
        rays: Rays and the radii of their cones at distance 1.
        samples: Intervals on them.
        shape: ``cone``, or ``cylinder`` whose radius is that at distance 1 everywhere.
    """
    starts, ends = samples.starts.clamp(max=FARTHEST), samples.ends.clamp(max=FARTHEST)
    middle, half = (starts + ends) / 2, (ends - starts) / 2
    radii = rays.radii[samples.rays]
    if shape == "cylinder":
        distance, along_ray, across = middle, half.square() / 3, radii.square() / 4
    else:
        # All by the ratio of half length and distance, which keeps both within the range of the numbers.
        k = (half / middle.clamp(min=NEAREST)).square()
        distance = middle * (1 + 2 * k / (3 + k))
        along_ray = half.square() * (1 / 3 - (4 / 15) * k * (12 - k) / (3 + k).square())
        across = (radii * middle).square() * (1 / 4 + (5 / 12) * k - (4 / 15) * k.square() / (3 + k))
    directions = rays.directions[samples.rays]
    means = rays.origins[samples.rays] + distance[:, None] * directions
    return Frustums(means=means, directions=directions, along=along_ray, across=across)


def along(
    gaussians: Frustums, basis: Float[Tensor, "directions 3"]
) -> tuple[Float[Tensor, "points directions"], Float[Tensor, "points directions"]]:
    """Return means and variances of Gaussians along directions: ``P μ`` and ``diag(P Σ Pᵀ)`` (mip-NeRF 360, eq. 17)."""
    shares = (gaussians.directions @ basis.T).square()
    sizes = basis.square().sum(dim=1)
    variances = gaussians.along[:, None] * shares + gaussians.across[:, None] * (sizes - shares)
    return gaussians.means @ basis.T, variances.clamp(min=0.0)


def contracted_along(
    gaussians: Frustums,
    basis: Float[Tensor, "directions 3"],
    *,
    center: Float[Tensor, " 3"],
    scale: float,
) -> tuple[Float[Tensor, "points directions"], Float[Tensor, "points directions"]]:
    """Return means and variances along directions after the contraction of space (mip-NeRF 360, eq. 9, 10 and 17).

    The contraction is taken as linear about each mean ``x``. Beyond the unit ball, with ``r = |x|`` and ``u = x / r``,
    its Jacobian is ``a I - c u uᵀ`` with ``a = (2r - 1) / r²`` and ``c = 2 (r - 1) / r²``; inside it is the identity.

    Args:
        gaussians: Gaussians in the world.
        basis: Directions ``P``.
        center: What becomes the origin.
        scale: What becomes the length 1.
    """
    x = (gaussians.means - center) / scale
    r = torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp(min=1.0)
    a, c, u = (2 - 1 / r) / r, 2 * (1 - 1 / r) / r, x / r
    basis_u, basis_d = u @ basis.T, gaussians.directions @ basis.T
    # P J d, and the squared lengths of the rows of P J.
    moved = a * basis_d - c * basis_u * (u * gaussians.directions).sum(dim=1, keepdim=True)
    sizes = a.square() * basis.square().sum(dim=1) - c * (2 * a - c) * basis_u.square()
    spread = gaussians.along[:, None] * moved.square() + gaussians.across[:, None] * (sizes - moved.square())
    return a * r * basis_u, spread.clamp(min=0.0) / scale**2
