"""The toybox: a procedural scene of painted solids, ray traced exactly.

World axes: z up, the table's top at z = -0.38, everything within 1.2 of the origin. Light is a distant lamp that
casts shadows and a soft sky. Colors are linear until the last step, which stores them with a gamma of 2.2.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from nsg_cluster.data.solids import Box, Cylinder, Paint, Solid, Sphere, Torus

__all__ = ["HALF_SIDE", "toybox", "trace"]

HALF_SIDE = 1.2
"""Half the side of the cube around the origin that holds the scene."""

TABLE_TOP = -0.38
LAMP = np.array([0.42, -0.55, 0.95]) / np.linalg.norm([0.42, -0.55, 0.95])
LAMP_LIGHT = 0.74
SKY_LIGHT = 0.36
GROUND_LIGHT = 0.20
SHININESS = 40.0
GAMMA = 2.2
# Shadow rays start this far off: more than what a solid takes for touching it.
OFF_SURFACE = 3e-4


def toybox() -> tuple[Solid, ...]:
    """Return the solids of the scene."""
    cube, ball, drum, ring = 0.30, 0.33, 0.21, (0.30, 0.10)
    return (
        Cylinder(center=(0.0, 0.0, TABLE_TOP - 0.05), radius=1.12, half_height=0.05, paint=_tiles, gloss=0.05),
        Box(
            center=(-0.42, -0.38, TABLE_TOP + cube),
            half=(cube, cube, cube),
            rotation=_turn("z", 28.0),
            paint=_checker(0.15, "#2a9d8f", "#f1faee"),
        ),
        Sphere(center=(-0.42, -0.38, TABLE_TOP + 2 * cube + 0.16), radius=0.16, paint=_plain("#3a5fcd"), gloss=0.6),
        Sphere(
            center=(0.44, -0.36, TABLE_TOP + ball),
            radius=ball,
            rotation=_turn("y", 35.0),
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
            rotation=_turn("z", -35.0) @ _turn("x", 90.0),
            paint=_rainbow,
            gloss=0.4,
        ),
    )


def trace(
    solids: tuple[Solid, ...], origins: Float[np.ndarray, "rays 3"], directions: Float[np.ndarray, "rays 3"]
) -> tuple[Float[np.ndarray, " rays"], Float[np.ndarray, "rays 3"]]:
    """Return the distance to the first surface on each ray (infinite where none) and its color as stored in images."""
    distance, nearest = np.full(len(origins), np.inf), np.full(len(origins), -1)
    for index, solid in enumerate(solids):
        reached = solid.distance(origins, directions)
        nearest[reached < distance] = index
        np.minimum(distance, reached, out=distance)
    color = np.zeros_like(origins)
    for index, solid in enumerate(solids):
        seen = np.flatnonzero(nearest == index)
        points = origins[seen] + distance[seen, None] * directions[seen]
        color[seen] = _shade(solids, solid, points, directions[seen])
    return distance, color


def _shade(
    solids: tuple[Solid, ...],
    solid: Solid,
    points: Float[np.ndarray, "points 3"],
    directions: Float[np.ndarray, "points 3"],
) -> Float[np.ndarray, "points 3"]:
    """Return lamp, sky and highlight (Blinn-Phong) at points of one solid, ready to be stored."""
    normals, albedo = solid.surface(points)
    lit = np.maximum(normals @ LAMP, 0.0)
    lit[lit > 0] *= ~_in_shadow(solids, (points + OFF_SURFACE * normals)[lit > 0])
    sky = GROUND_LIGHT + (SKY_LIGHT - GROUND_LIGHT) * 0.5 * (1.0 + normals[:, 2])
    half = LAMP - directions
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    highlight = solid.gloss * (lit > 0) * np.maximum(np.einsum("ij,ij->i", normals, half), 0.0) ** SHININESS
    linear = albedo * (sky + LAMP_LIGHT * lit)[:, None] + highlight[:, None]
    stored: np.ndarray = np.clip(linear, 0.0, 1.0) ** (1.0 / GAMMA)
    return stored


def _in_shadow(solids: tuple[Solid, ...], points: Float[np.ndarray, "points 3"]) -> Bool[np.ndarray, " points"]:
    to_lamp = np.broadcast_to(LAMP, points.shape)
    dark = np.zeros(len(points), dtype=bool)
    for solid in solids:
        dark |= np.isfinite(solid.distance(points, to_lamp))
    return dark


def _turn(axis: str, angle_deg: float) -> Float[np.ndarray, "3 3"]:
    """Return a rotation about an axis of the frame."""
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = cos
    matrix[first, second], matrix[second, first] = -sin, sin
    return matrix


def _color(code: str) -> Float[np.ndarray, " 3"]:
    """Return linear light of a web color."""
    return (np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0) ** GAMMA


def _plain(code: str) -> Paint:
    return lambda p: np.broadcast_to(_color(code), p.shape)


def _choose(first: Bool[np.ndarray, " points"], one: str, other: str) -> Float[np.ndarray, "points 3"]:
    return np.where(first[:, None], _color(one), _color(other))


def _checker(size: float, one: str, other: str) -> Paint:
    # A hair off the surface, so that the faces of the box do not fall on the border of two cells.
    return lambda p: _choose(np.floor(p * (1 - 1e-6) / size).sum(axis=1) % 2 == 0, one, other)


def _bands(width: float, one: str, other: str) -> Paint:
    return lambda p: _choose(np.floor(p[:, 2] / width + 0.5) % 2 == 0, one, other)


def _spiral(pitch: float, one: str, other: str) -> Paint:
    return lambda p: _choose((p[:, 2] / pitch + np.arctan2(p[:, 1], p[:, 0]) / (2 * np.pi)) % 1 < 0.5, one, other)


def _tiles(p: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
    """Two tones of sand in rings and sectors, the middle plain."""
    across = np.hypot(p[:, 0], p[:, 1])
    sector = np.floor(np.arctan2(p[:, 1], p[:, 0]) * (12 / np.pi))
    return _choose((np.floor(across / 0.3) + sector * (across > 0.3)) % 2 == 0, "#e9dcc3", "#cdb891")


def _rainbow(p: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
    """Every hue once around the ring, in pastel."""
    phase = np.arctan2(p[:, 1], p[:, 0])[:, None] + np.array([0.0, -2 * np.pi / 3, 2 * np.pi / 3])
    linear: np.ndarray = (0.60 + 0.34 * np.cos(phase)) ** GAMMA
    return linear
