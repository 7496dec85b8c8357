"""Cameras around a model: where the views of each split are taken from.

A pose is a 3x4 matrix ``[R | p]`` from camera to world with OpenGL axes (x right, y up, looking along -z). The world's
z is up. Written in plain Python, for the control plane has no torch.
"""

from __future__ import annotations

import math
import random

from nsg_cluster.config.objects import ObjectCamerasConfig, ObjectsData

__all__ = ["SPLITS", "Pose", "poses"]

SPLITS = ("train", "val", "test")
GOLDEN_ANGLE_RAD = math.pi * (3.0 - math.sqrt(5.0))
Pose = list[list[float]]


def poses(data: ObjectsData) -> dict[str, list[Pose]]:
    """Return the poses of each split: two scattered ones from different seeds, and a turntable."""
    return {
        "train": _scattered(data.cameras, data.views, "train"),
        "val": _scattered(data.cameras, data.val_views, "val"),
        "test": _turntable(data.cameras, data.test_views),
    }


def _scattered(cameras: ObjectCamerasConfig, count: int, split: str) -> list[Pose]:
    """Return poses spread evenly over the surface, each at random within its own zone of equal area.

    The heights of the zones are equal (Archimedes), and turns by the golden angle keep neighbors apart.
    """
    chance = random.Random(f"{cameras.seed} {split}")  # noqa: S311 - cameras, no secrets
    turn = 2.0 * math.pi * chance.random()
    lowest = -1.0 if cameras.surface == "sphere" else 0.0
    heights = [lowest + (1.0 - lowest) * (index + chance.random()) / count for index in range(count)]
    return [
        _at(turn + GOLDEN_ANGLE_RAD * index, math.asin(height), cameras.radius) for index, height in enumerate(heights)
    ]


def _turntable(cameras: ObjectCamerasConfig, count: int) -> list[Pose]:
    """Return one full turn, from the front on, that closes on itself."""
    front = -0.5 * math.pi
    return [
        _at(front + 2.0 * math.pi * index / count, math.radians(cameras.elevation_deg), cameras.radius)
        for index in range(count)
    ]


def _at(azimuth_rad: float, elevation_rad: float, radius: float) -> Pose:
    """Return the pose at a point of the sphere that looks at its center; it exists at the poles as well."""
    sin_a, cos_a = math.sin(azimuth_rad), math.cos(azimuth_rad)
    sin_e, cos_e = math.sin(elevation_rad), math.cos(elevation_rad)
    right = (-sin_a, cos_a, 0.0)
    up = (-sin_e * cos_a, -sin_e * sin_a, cos_e)
    back = (cos_e * cos_a, cos_e * sin_a, sin_e)
    return [[right[axis], up[axis], back[axis], radius * back[axis]] for axis in range(3)]
