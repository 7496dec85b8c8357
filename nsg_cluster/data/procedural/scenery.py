"""What stands beside a procedural street: ground with lanes, houses, trees, lamp posts, and the sky.

World axes: x along the street, y to the left, z up from the ground. The middle of the right lane is y = 0, that of the
left one y = 3.6.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from nsg_cluster.data.procedural.lighting import Cluster, choose, clustered, linear_color, plain
from nsg_cluster.data.procedural.solids import Box, Cylinder, Paint, Solid, Sphere

__all__ = ["CLASS_NAMES", "LEFT_LANE", "is_road", "scenery", "sky_color"]

CLASS_NAMES = ("Sky", "Terrain", "Road", "Building", "Tree", "Pole", "Car", "Van", "Truck")
"""Classes of what is seen on a street, as Virtual KITTI calls them."""
LEFT_LANE = 3.6
CURBS = (-2.2, 5.8)
WALLS = (-7.5, 11.1)
BEHIND = 24.0
DEPTH = 8.0
SKY_LOW, SKY_HIGH = "#dfe9f2", "#6fa3d8"
FACADES = ("#c9a27e", "#b5583f", "#d8cbb0", "#8d9aa6", "#a9b48e", "#d9b65d", "#9c6b5a", "#e2dcd0")
LEAVES = ("#4d7c3a", "#6b8e3d", "#3f6b45")

Points = Float[np.ndarray, "points 3"]


def scenery(length: float, seed: int) -> tuple[tuple[str, Cluster], ...]:
    """Return ground, houses, trees and posts of a street that reaches so far ahead, each with its class."""
    rng = np.random.default_rng(seed)
    middle = (length - BEHIND) / 2
    half = (length + BEHIND) / 2
    ground = Box(center=(middle, sum(CURBS) / 2, -0.5), half=(half, 80.0, 0.5), paint=_asphalt(middle), gloss=0.02)
    found = [("Terrain", clustered([ground]))]
    for side, wall in ((-1.0, WALLS[0]), (1.0, WALLS[1])):
        x = -BEHIND
        while x < length:
            width, height = rng.uniform(8.0, 15.0), rng.uniform(5.0, 12.0)
            found.append(("Building", clustered([_house(rng, (x + width / 2, wall), (width, height, side * DEPTH))])))
            x += width + rng.choice([0.0, 0.0, 3.0])
        for tree in np.arange(-BEHIND + 8.0, length, 14.0) + rng.uniform(-2, 2) + 3.5 * side:
            found.append(("Tree", clustered(_tree(rng, float(tree), wall - side * 2.6))))
    posts = np.arange(-BEHIND + 4.0, length, 18.0)
    found += [("Pole", clustered(_post(float(x), CURBS[1] + 0.5))) for x in posts]
    return tuple(found)


def is_road(y: Float[np.ndarray, ...]) -> Bool[np.ndarray, ...]:
    """Return which places across the street are between the curbs."""
    inside: np.ndarray = (y > CURBS[0]) & (y < CURBS[1])
    return inside


def sky_color(directions: Points) -> Points:
    """Return the color of the sky in some directions, as it is stored in images."""
    height = np.clip(directions[:, 2:], 0.0, 1.0) ** 0.6
    low, high = (linear_color(code) ** (1 / 2.2) for code in (SKY_LOW, SKY_HIGH))
    color: np.ndarray = low + (high - low) * height
    return color


def _house(rng: np.random.Generator, front: tuple[float, float], size: tuple[float, float, float]) -> Solid:
    """Return a house; the third of its sizes points away from the street."""
    width, height, depth = size
    facade = FACADES[rng.integers(len(FACADES))]
    return Box(
        center=(front[0], front[1] + depth / 2, height / 2),
        half=(width / 2, abs(depth) / 2, height / 2),
        paint=_facade(facade, height / 2, rng.uniform(2.2, 3.0)),
        gloss=0.05,
    )


def _tree(rng: np.random.Generator, x: float, y: float) -> list[Solid]:
    trunk, crown = rng.uniform(1.8, 2.6), rng.uniform(1.1, 1.6)
    return [
        Cylinder(center=(x, y, trunk / 2), radius=0.16, half_height=trunk / 2, paint=plain("#5b4632"), gloss=0.0),
        Sphere(
            center=(x, y, trunk + 0.7 * crown),
            radius=crown,
            paint=_foliage(LEAVES[rng.integers(len(LEAVES))]),
            gloss=0.0,
        ),
    ]


def _post(x: float, y: float) -> list[Solid]:
    return [
        Cylinder(center=(x, y, 2.2), radius=0.07, half_height=2.2, paint=plain("#4a5058"), gloss=0.3),
        Sphere(center=(x, y, 4.5), radius=0.2, paint=plain("#f4efd9"), gloss=0.3),
    ]


def _asphalt(middle_x: float) -> Paint:
    """Return a paint of lanes with dashes between them, curbs, pavements in slabs and lawn."""
    middle_y = sum(CURBS) / 2

    def paint(p: Points) -> Points:
        x, y = p[:, 0] + middle_x, p[:, 1] + middle_y
        is_dash = (np.abs(y - LEFT_LANE / 2) < 0.07) & (x % 6.0 < 3.0)
        is_edge = (np.abs(y - CURBS[0] - 0.35) < 0.06) | (np.abs(y - CURBS[1] + 0.35) < 0.06)
        patches = np.floor(x / 1.7) + np.floor(y / 1.3)
        road = choose(patches % 2 == 0, "#595c60", "#54565a")
        road = np.where((is_dash | is_edge)[:, None], linear_color("#e6e4dc"), road)
        slabs = choose((np.floor(x / 0.9) + np.floor(y / 0.9)) % 2 == 0, "#a39f97", "#97938b")
        lawn = choose((np.floor(x / 1.1) + np.floor(y / 1.1)) % 2 == 0, "#6c8f4e", "#628545")
        is_pavement = (y > CURBS[0] - 3.0) & (y < CURBS[1] + 3.0)
        return np.where(is_road(y)[:, None], road, np.where(is_pavement[:, None], slabs, lawn))

    return paint


def _facade(code: str, half_height: float, pitch: float) -> Paint:
    """Return a paint of windows in rows above a plinth."""

    def paint(p: Points) -> Points:
        along = np.where(np.abs(p[:, 1]) < 0.499 * DEPTH, p[:, 1], p[:, 0])
        up = p[:, 2] + half_height
        is_window = (np.abs(along / pitch % 1 - 0.5) < 0.24) & (np.abs(up / 2.9 % 1 - 0.55) < 0.23)
        is_window &= up < 2 * half_height - 0.5
        return np.where((up < 0.5)[:, None], linear_color("#6d655c"), choose(is_window, "#33424f", code))

    return paint


def _foliage(code: str) -> Paint:
    """Return a paint of leaves in lighter and darker patches."""
    dark = "#" + "".join(f"{int(int(code[i : i + 2], 16) * 0.75):02x}" for i in (1, 3, 5))
    return lambda p: choose(np.sin(7 * p).sum(axis=1) > 0, code, dark)
