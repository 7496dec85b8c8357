"""Camera poses: rigid transforms from camera to world, OpenGL axes (x right, y up, looking along -z).

A pose is a 3x4 matrix ``[R | p]`` with a rotation ``R`` (its columns are the camera's axes in the world) and the
position ``p``. Angles are in degrees; elevations count from the plane through the center at right angles to ``up``.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["check_rigid", "look_at", "orbit", "sphere_views"]

GOLDEN_ANGLE_RAD = math.pi * (3.0 - math.sqrt(5.0))
# Poses in transforms files are written in single precision, some rounded to six digits.
ROTATION_TOLERANCE = 1e-3


def look_at(
    eyes: Float[Tensor, "frames 3"], target: Float[Tensor, " 3"], up: Float[Tensor, " 3"]
) -> Float[Tensor, "frames 3 4"]:
    """Return poses at ``eyes`` that look at ``target``, with ``up`` pointing to the top of the image.

    Raises:
        ValueError: An eye is at the target, or straight above or below it.
    """
    back = eyes - target
    right = torch.linalg.cross(up.expand_as(back), back)
    if bool((right.norm(dim=-1) <= 1e-6 * back.norm(dim=-1) * up.norm()).any()):
        raise ValueError("a camera stands at its target or in line with the up direction")
    back = back / back.norm(dim=-1, keepdim=True)
    right = right / right.norm(dim=-1, keepdim=True)
    return torch.stack([right, torch.linalg.cross(back, right), back, eyes], dim=-1)


def orbit(
    center: Float[Tensor, " 3"],
    radius: float,
    elevation_deg: float,
    frames: int,
    *,
    up: tuple[float, float, float] = (0.0, 0.0, 1.0),
) -> Float[Tensor, "frames 3 4"]:
    """Return one full turn around ``center`` that closes on itself: the frame after the last would be the first."""
    azimuth = torch.arange(frames, dtype=torch.float64) * (2.0 * math.pi / frames)
    elevation = torch.full_like(azimuth, math.radians(elevation_deg))
    return _around(center, radius, _directions(azimuth, elevation), up)


def sphere_views(
    center: Float[Tensor, " 3"],
    radius: float,
    frames: int,
    *,
    elevations_deg: tuple[float, float],
    turn_deg: float = 0.0,
    up: tuple[float, float, float] = (0.0, 0.0, 1.0),
) -> Float[Tensor, "frames 3 4"]:
    """Return views spread evenly over the zone of a sphere between two elevations, on a Fibonacci spiral.

    Each view stands for an equal area of the zone; ``turn_deg`` turns all of them about ``up``.
    """
    low, high = (math.sin(math.radians(angle)) for angle in elevations_deg)
    index = torch.arange(frames, dtype=torch.float64)
    elevation = torch.asin(low + (high - low) * (index + 0.5) / frames)
    return _around(center, radius, _directions(GOLDEN_ANGLE_RAD * index + math.radians(turn_deg), elevation), up)


def check_rigid(matrix: Float[Tensor, "4 4"]) -> None:
    """Check that a homogeneous matrix is a rotation and a translation.

    Raises:
        ValueError: It is not; the text says what is wrong with it.
    """
    if not bool(matrix.isfinite().all()):
        raise ValueError("it has a value that is not finite")
    if not torch.equal(matrix[3], matrix.new_tensor([0.0, 0.0, 0.0, 1.0])):
        raise ValueError(f"its last row is {matrix[3].tolist()} instead of [0, 0, 0, 1]")
    rotation = matrix[:3, :3]
    error = float((rotation.T @ rotation - torch.eye(3, dtype=matrix.dtype)).abs().max())
    if error > ROTATION_TOLERANCE:
        raise ValueError(f"it is not rigid: its axes are not of unit length at right angles (off by {error:.2g})")
    if float(torch.linalg.det(rotation)) < 0:
        raise ValueError("it mirrors space: its determinant is -1 instead of 1")


def _directions(azimuth: Float[Tensor, " frames"], elevation: Float[Tensor, " frames"]) -> Float[Tensor, "frames 3"]:
    """Return unit vectors in a frame whose third axis is up; angles in radians."""
    flat = elevation.cos()
    return torch.stack([flat * azimuth.cos(), flat * azimuth.sin(), elevation.sin()], dim=-1)


def _around(
    center: Float[Tensor, " 3"],
    radius: float,
    directions: Float[Tensor, "frames 3"],
    up: tuple[float, float, float],
) -> Float[Tensor, "frames 3 4"]:
    """Return poses on a sphere that look at its center; ``directions`` are in a frame whose third axis is up."""
    z = torch.tensor(up, dtype=torch.float64)
    z = z / z.norm()
    # The world axis that comes second after the one nearest to up makes the frame of z-up the world's own.
    nearest = int(z.abs().argmax())
    x = torch.linalg.cross(torch.eye(3, dtype=torch.float64)[(nearest + 2) % 3], z)
    x = x / x.norm()
    frame = torch.stack([x, torch.linalg.cross(z, x), z], dim=-1)
    middle = center.double()
    return look_at(middle + radius * directions @ frame.T, middle, z).to(center.dtype)
