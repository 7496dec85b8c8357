"""Normals of a density: the directions in which it falls quickest; and directions reflected at normals.

Verbin et al., Ref-NeRF, https://arxiv.org/abs/2112.03907, eq. 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["reflected", "slopes_at", "unit_normals"]

_TINY = 1e-20


def slopes_at(
    density: Callable[[Float[Tensor, "points 3"]], Float[Tensor, " points"]], positions: Float[Tensor, "points 3"]
) -> Float[Tensor, "points 3"]:
    """Return the gradient of a density at positions, by automatic differentiation; a constant."""
    places = positions.detach().requires_grad_()
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(density(places).sum(), places)
    return slopes


def unit_normals(slopes: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """Return the directions in which densities fall quickest, given their gradients; 0 where they are even."""
    # The slope of a norm is not finite at 0.
    normals: Tensor = -slopes / slopes.square().sum(dim=1, keepdim=True).clamp(min=_TINY).sqrt()
    return normals


def reflected(directions: Float[Tensor, "points 3"], normals: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """Return where light comes from that a mirror sends back along each ray: ``d - 2 (d·n) n``.

    Args:
        directions: Unit vectors ``d`` from the camera to the surface.
        normals: Unit vectors ``n``, of either side; a direction is returned as it is where they are 0.
    """
    return directions - 2 * (directions * normals).sum(dim=1, keepdim=True) * normals
