"""The toybox: a procedural scene of painted solids, ray traced exactly.

World axes: z up, the table's top at z = -0.38, everything within 1.2 of the origin.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nsg_cluster.data.procedural.lighting import GAMMA, choose, clustered, first_hits, normals_of, plain, shaded
from nsg_cluster.data.procedural.solids import Box, Cylinder, Paint, Solid, Sphere, Torus

__all__ = ["HALF_SIDE", "TABLE_TOP", "tiles", "toybox", "trace", "trace_normals", "turn"]

HALF_SIDE = 1.2
"""Half the side of the cube around the origin that holds the scene."""

TABLE_TOP = -0.38
"""Where solids stand."""


def toybox() -> tuple[Solid, ...]:
    """Return the solids of the scene."""
    cube, ball, drum, ring = 0.30, 0.33, 0.21, (0.30, 0.10)
    return (
        Cylinder(center=(0.0, 0.0, TABLE_TOP - 0.05), radius=1.12, half_height=0.05, paint=tiles, gloss=0.05),
        Box(
            center=(-0.42, -0.38, TABLE_TOP + cube),
            half=(cube, cube, cube),
            rotation=turn("z", 28.0),
            paint=_checker(0.15, "#2a9d8f", "#f1faee"),
        ),
        Sphere(center=(-0.42, -0.38, TABLE_TOP + 2 * cube + 0.16), radius=0.16, paint=plain("#3a5fcd"), gloss=0.6),
        Sphere(
            center=(0.44, -0.36, TABLE_TOP + ball),
            radius=ball,
            rotation=turn("y", 35.0),
            paint=_bands(0.11, "#e63946", "#fff3e6"),
            gloss=0.4,
        ),
        Cylinder(
            center=(0.38, 0.48, TABLE_TOP + 0.45),
            radius=drum,
            half_height=0.45,
            paint=_spiral(0.3, "#f4a927", "#6a4c93"),
        ),
        Torus(
            center=(-0.42, 0.46, TABLE_TOP + sum(ring)),
            ring=ring[0],
            tube=ring[1],
            rotation=turn("z", -35.0) @ turn("x", 90.0),
            paint=_rainbow,
            gloss=0.4,
        ),
    )


def trace(
    solids: tuple[Solid, ...], origins: Float[np.ndarray, "rays 3"], directions: Float[np.ndarray, "rays 3"]
) -> tuple[Float[np.ndarray, " rays"], Float[np.ndarray, "rays 3"]]:
    """Return the distance to the first surface on each ray (infinite where none) and its color as stored in images."""
    clusters = [clustered([solid]) for solid in solids]
    hit = first_hits(clusters, origins, directions)
    return hit.distance, shaded(clusters, hit, origins, directions)


def trace_normals(
    solids: tuple[Solid, ...], origins: Float[np.ndarray, "rays 3"], directions: Float[np.ndarray, "rays 3"]
) -> Float[np.ndarray, "rays 3"]:
    """Return the outward unit normal of the first surface on each ray; 0 where there is none."""
    clusters = [clustered([solid]) for solid in solids]
    return normals_of(clusters, first_hits(clusters, origins, directions), origins, directions)


def turn(axis: str, angle_deg: float) -> Float[np.ndarray, "3 3"]:
    """Return a rotation about an axis of the frame."""
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = cos
    matrix[first, second], matrix[second, first] = -sin, sin
    return matrix


def _checker(size: float, one: str, other: str) -> Paint:
    # A hair off the surface, so that the faces of the box do not fall on the border of two cells.
    return lambda p: choose(np.floor(p * (1 - 1e-6) / size).sum(axis=1) % 2 == 0, one, other)


def _bands(width: float, one: str, other: str) -> Paint:
    return lambda p: choose(np.floor(p[:, 2] / width + 0.5) % 2 == 0, one, other)


def _spiral(pitch: float, one: str, other: str) -> Paint:
    return lambda p: choose((p[:, 2] / pitch + np.arctan2(p[:, 1], p[:, 0]) / (2 * np.pi)) % 1 < 0.5, one, other)


def tiles(p: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
    """Two tones of sand in rings and sectors, the middle plain."""
    across = np.hypot(p[:, 0], p[:, 1])
    sector = np.floor(np.arctan2(p[:, 1], p[:, 0]) * (12 / np.pi))
    return choose((np.floor(across / 0.3) + sector * (across > 0.3)) % 2 == 0, "#e9dcc3", "#cdb891")


def _rainbow(p: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
    """Every hue once around the ring, in pastel."""
    phase = np.arctan2(p[:, 1], p[:, 0])[:, None] + np.array([0.0, -2 * np.pi / 3, 2 * np.pi / 3])
    linear: np.ndarray = (0.60 + 0.34 * np.cos(phase)) ** GAMMA
    return linear
