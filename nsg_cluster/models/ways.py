"""Ways of objects that an edit puts in: poses picture by picture.

Angles about the vertical count from x to -z; the world's y points down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.geometry.placements import Placements

__all__ = ["upright", "way_beside", "way_through"]

Vector = tuple[float, float, float]


def upright(yaws: Float[Tensor, " rows"]) -> Float[Tensor, "rows 3 3"]:
    """Return the turns of objects that stand upright."""
    c, s = yaws.cos(), yaws.sin()
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    return torch.stack([c, zero, s, zero, one, zero, -s, zero, c], dim=1).view(-1, 3, 3)


def way_through(places: Sequence[Vector], pictures: int, yaw_deg: float | None) -> Float[Tensor, "pictures 3 4"]:
    """Return poses from the first place to the last at even speed, the last picture at the last place.

    Args:
        places: At least one.
        pictures: How many poses.
        yaw_deg: Where it faces; by default where it goes, and along x where it does not go anywhere.
    """
    points = torch.tensor(places)
    lengths = points.diff(dim=0).norm(dim=1)
    reached = torch.cat([torch.zeros(1), lengths.cumsum(0)])
    at = torch.linspace(0, float(reached[-1]), pictures)
    leg = (torch.searchsorted(reached, at, right=True) - 1).clamp(0, max(len(lengths) - 1, 0))
    if len(lengths) == 0 or float(reached[-1]) == 0:
        middle, facing = points[:1].expand(pictures, 3), torch.zeros(pictures)
    else:
        share = (at - reached[leg]) / lengths[leg].clamp(min=1e-12)
        along = points.diff(dim=0)[leg]
        middle, facing = points[leg] + share[:, None] * along, torch.atan2(-along[:, 2], along[:, 0])
    if yaw_deg is not None:
        facing = torch.full((pictures,), math.radians(yaw_deg))
    return torch.cat([upright(facing), middle[:, :, None]], dim=2)


def way_beside(leader: Placements, by: Vector, height: float) -> Float[Tensor, "rows 3 4"]:
    """Return poses beside those of another object, on its ground.

    Args:
        leader: Rows of the other object.
        by: Forward, down and left of it, along its axes.
        height: Of what goes beside it.
    """
    pose = leader.object_to_world
    local = torch.tensor(by).repeat(len(leader), 1)
    local[:, 1] += (leader.sizes[:, 1] - height) / 2
    place = pose[:, :, 3] + torch.einsum("rij,rj->ri", pose[:, :, :3], local)
    return torch.cat([pose[:, :, :3], place[:, :, None]], dim=2)
