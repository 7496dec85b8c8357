"""From places in the world to pixels: where cameras see them, through their lenses.

The inverse of `geometry.cameras.pixel_rays`. ``(x, y)`` are coordinates on the plane at depth 1, x to the right and y
down; ``(u, v)`` those where the lens shows them.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nsg_cluster.geometry.cameras import Cameras

__all__ = ["projected"]

WIDEST = math.radians(80)
"""Angle from the axis beyond which lenses of OpenCV's polynomial are not asked: the image folds over itself there."""


def projected(
    cameras: Cameras, view: int, points: Float[Tensor, "points 3"]
) -> tuple[Float[Tensor, "points 2"], Bool[Tensor, " points"]]:
    """Return the pixel (column, row) at which a camera shows each point, and whether it shows it at all.

    A point that is shown may lie beyond the image.
    """
    pose = cameras.camera_to_world[view].double()
    x, y, z = ((points.double() - pose[:, 3]) @ pose[:, :3]).unbind(-1)
    across = torch.hypot(x, y)
    angle = torch.atan2(across, -z)
    widest = math.pi if cameras.lens == "fisheye" else WIDEST
    shown = angle < widest
    if cameras.lens == "fisheye":
        place = torch.stack([x, -y], -1) / across.clamp(min=1e-12)[:, None] * _radius(cameras, view, angle)[:, None]
    else:
        depth = torch.where(shown, -z, 1.0)
        place = torch.stack([x, -y], -1) / depth[:, None]
        if cameras.lens == "opencv" and cameras.distortion is not None:
            place = _distorted(place, cameras.distortion[view].double())
    return cameras.center_px[view] + cameras.focal_px[view] * place, shown


def _radius(cameras: Cameras, view: int, angle: Float[Tensor, " points"]) -> Float[Tensor, " points"]:
    """Return ``a (1 + k1 a^2 + ... + k4 a^8)``: how far from the principal point an angle from the axis is shown."""
    k = torch.zeros(4) if cameras.distortion is None else cameras.distortion[view, :4].double()
    s = angle * angle
    return angle * (1 + s * (k[0] + s * (k[1] + s * (k[2] + s * k[3]))))


def _distorted(place: Float[Tensor, "points 2"], k: Float[Tensor, " 6"]) -> Float[Tensor, "points 2"]:
    """Return ``u = x (1 + k1 r^2 + ... + k4 r^8) + 2 p1 x y + p2 (r^2 + 2 x^2)``, and v likewise (OpenCV)."""
    x, y = place.unbind(-1)
    r = x * x + y * y
    radial = 1 + r * (k[0] + r * (k[1] + r * (k[2] + r * k[3])))
    u = x * radial + 2 * k[4] * x * y + k[5] * (r + 2 * x * x)
    v = y * radial + 2 * k[5] * x * y + k[4] * (r + 2 * y * y)
    return torch.stack([u, v], -1)
