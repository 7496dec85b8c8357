"""Encodings of points and directions: multiresolution hash grid, spherical harmonics, truncated exponential."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

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
        The features of the levels, coarsest first.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device.
    """
    arguments = Arguments("hash_encode")
    arguments.check("points", points, ("points", 3))
    arguments.check("table", table, (layout.num_entries, layout.features))
    return reference.hash_encode(points, table, layout)


def spherical_harmonics(directions: Float[Tensor, "points 3"], degree: int) -> Float[Tensor, "points degree**2"]:
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
    return reference.spherical_harmonics(directions, degree)


def trunc_exp(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return ``exp(x)`` whose gradient is that at ``x`` clamped to ±15, so that it neither vanishes nor explodes."""
    return reference.trunc_exp(x)
