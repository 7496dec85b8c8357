"""Normalized device coordinates: what views that face forward can see becomes a cube, straight rays stay straight.

What is seen from the origin along -z, from the plane z = -1 to infinity, is mapped to the cube from -1 to 1. Source:
NeRF, https://arxiv.org/abs/2003.08934, appendix C.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.geometry.rays import Rays

__all__ = ["points_to_ndc", "rays_to_ndc"]


def points_to_ndc(x: Float[Tensor, "points 3"], half_view: Float[Tensor, "points 2"]) -> Float[Tensor, "points 3"]:
    """Return where points of the world, z below 0, are in normalized device coordinates (eq. 8, n = 1, f infinite).

    Args:
        x: Points.
        half_view: Half the width and height of the view at depth 1: size over twice the focal length.
    """
    z = x[:, 2:]
    return torch.cat([-x[:, :2] / (z * half_view), 1.0 + 2.0 / z], dim=1)


def rays_to_ndc(rays: Rays, half_view: Float[Tensor, "rays 2"]) -> Rays:
    """Return rays in normalized device coordinates, from the plane z = -1 of the world on (eq. 25 and 26).

    The world's directions stay known as ``rays.views``, for colors; radii are not changed.

    Args:
        rays: Rays towards -z.
        half_view: As of `points_to_ndc`.
    """
    x, y, z = rays.directions.unbind(-1)
    start = rays.origins - ((1.0 + rays.origins[:, 2]) / z)[:, None] * rays.directions
    slope = torch.stack([x / z, y / z], dim=-1)
    directions = torch.cat([(start[:, :2] / start[:, 2:] - slope) / half_view, -2.0 / start[:, 2:]], dim=-1)
    return replace(
        rays,
        origins=points_to_ndc(start, half_view),
        directions=directions / directions.norm(dim=-1, keepdim=True),
        views=rays.directions,
    )
