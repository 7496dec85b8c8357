"""Frames in which scenes are alike: z up, the place that cameras look at in the middle, cameras about 1 away from it.

A few wrong poses must not move the frame, so that centers are geometric medians and sizes are quantiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Similarity", "camera_frame", "viewed_point"]

FARTHEST_QUANTILE = 0.9
"""Share of the cameras that are at most 1 away from the middle."""
SPREAD_OF_AXES = 0.02
"""Mean square of the sine between viewing axes below which they are taken to be parallel."""
REWEIGHTINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """``x`` becomes ``scale * rotation @ (x - center)``."""

    scale: float
    rotation: Float[Tensor, "3 3"]
    center: Float[Tensor, " 3"]

    def points(self, x: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
        """Return where points are in the new frame."""
        return self.scale * (x - self.center) @ self.rotation.T

    def poses(self, camera_to_world: Float[Tensor, "images 3 4"]) -> Float[Tensor, "images 3 4"]:
        """Return the poses in the new frame; the cameras' axes stay of unit length."""
        turned = self.rotation @ camera_to_world[:, :, :3]
        return torch.cat([turned, self.points(camera_to_world[:, :, 3])[:, :, None]], dim=2)


def camera_frame(camera_to_world: Float[Tensor, "images 3 4"]) -> Similarity:
    """Return the frame that cameras suggest.

    Up is the median of the images' up directions; the middle is `viewed_point`, or the median of the cameras where
    these look the same way; nine of ten cameras are at most 1 away from it.
    """
    positions = camera_to_world[:, :, 3]
    seen = viewed_point(camera_to_world)
    center = _nearest(positions) if seen is None else seen
    reach = float((positions - center).norm(dim=1).quantile(FARTHEST_QUANTILE))
    return Similarity(
        scale=1.0 / reach if reach > 0 else 1.0,
        rotation=_upright(_nearest(camera_to_world[:, :, 1])),
        center=center,
    )


def viewed_point(camera_to_world: Float[Tensor, "images 3 4"]) -> Float[Tensor, " 3"] | None:
    """Return the point with the least sum of distances from the viewing axes, or None where these are parallel."""
    axes = -camera_to_world[:, :, 2]
    across = torch.eye(3, dtype=axes.dtype) - axes[:, :, None] * axes[:, None, :]
    if float(torch.linalg.eigvalsh(across.mean(dim=0))[0]) < SPREAD_OF_AXES:
        return None
    return _nearest(camera_to_world[:, :, 3], across)


def _nearest(
    points: Float[Tensor, "points 3"], across: Float[Tensor, "points 3 3"] | None = None
) -> Float[Tensor, " 3"]:
    """Return the place with the least sum of distances from points, or from lines through them.

    Least squares, reweighted by the inverse distances (Weiszfeld's algorithm), which outliers do not move far.

    Args:
        points: Points.
        across: For each line, the projection onto the plane at right angles to it; none for points.
    """
    if across is None:
        across = torch.eye(3, dtype=points.dtype).expand(len(points), 3, 3)
    weights = torch.ones(len(points), dtype=points.dtype)
    place = points.mean(dim=0)
    for _ in range(REWEIGHTINGS):
        weighted = weights[:, None, None] * across
        place = torch.linalg.solve(weighted.sum(dim=0), (weighted @ points[:, :, None]).sum(dim=0)[:, 0])
        distance = (across @ (place - points)[:, :, None])[:, :, 0].norm(dim=1)
        weights = 1.0 / distance.clamp(min=1e-6 * max(float(distance.median()), 1e-12))
    return place


def _upright(up: Float[Tensor, " 3"]) -> Float[Tensor, "3 3"]:
    """Return the smallest rotation that takes a direction to z (Rodrigues' formula)."""
    z = torch.tensor([0.0, 0.0, 1.0], dtype=up.dtype)
    up = up / up.norm()
    cosine = float(up @ z)
    if cosine < -1 + 1e-9:
        return torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=up.dtype))
    axis = torch.linalg.cross(up, z)
    cross = torch.zeros(3, 3, dtype=up.dtype)
    for row, column, index in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        cross[row, column], cross[column, row] = -axis[index], axis[index]
    if math.isclose(cosine, 1.0):
        return torch.eye(3, dtype=up.dtype)
    return torch.eye(3, dtype=up.dtype) + cross + cross @ cross / (1.0 + cosine)
