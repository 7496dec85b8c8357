"""Rotations about the axes and inverses of poses, in numpy double precision."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["about_x", "about_y", "about_z", "rigid_inverse"]

Angles = float | Float[np.ndarray, "..."]
Rotations = Float[np.ndarray, "*batch 3 3"]


def about_x(angle_rad: Angles) -> Rotations:
    """Return rotations that turn y towards z."""
    return _turns(angle_rad, 1, 2)


def about_y(angle_rad: Angles) -> Rotations:
    """Return rotations that turn z towards x."""
    return _turns(angle_rad, 2, 0)


def about_z(angle_rad: Angles) -> Rotations:
    """Return rotations that turn x towards y."""
    return _turns(angle_rad, 0, 1)


def rigid_inverse(pose: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """Return the inverse of a rotation and a translation.

    Rotations of calibration files are rounded to seven digits. Taking the transpose, as Neural Scene Graphs does, and
    not the exact inverse keeps positions 30 m away equal to its own to the last digit, instead of within 5 micrometers.
    """
    inverse = np.eye(4)
    inverse[:3, :3] = pose[:3, :3].T
    inverse[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return inverse


def _turns(angle_rad: Angles, first: int, second: int) -> Rotations:
    angle = np.asarray(angle_rad, dtype=np.float64)
    matrix = np.tile(np.eye(3), (*angle.shape, 1, 1))
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., second, first] = np.sin(angle)
    matrix[..., first, second] = -np.sin(angle)
    return matrix
