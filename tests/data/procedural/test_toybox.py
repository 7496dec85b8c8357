"""The procedural scene."""

from __future__ import annotations

import numpy as np

from nsg_cluster.data.procedural.lighting import LAMP
from nsg_cluster.data.procedural.solids import Sphere
from nsg_cluster.data.procedural.toybox import HALF_SIDE, toybox, trace


def rays_from(eye: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rays from a point to places all over the scene's box."""
    targets = np.random.default_rng(0).uniform(-HALF_SIDE, HALF_SIDE, size=(count, 3))
    directions = targets - eye
    return np.broadcast_to(eye, directions.shape), directions / np.linalg.norm(directions, axis=1, keepdims=True)


def test_everything_that_is_seen_lies_in_the_box_of_the_scene() -> None:
    for eye in np.array([[4.0, 0, 0], [0, -3, 2], [-2, 2, -3], [0.1, 0, 5]]):
        origins, directions = rays_from(eye, 2000)
        distance, color = trace(toybox(), origins, directions)
        seen = np.isfinite(distance)
        points = origins[seen] + distance[seen, None] * directions[seen]
        assert 0.2 < seen.mean() < 0.9
        assert np.abs(points).max() < HALF_SIDE
        assert color.min() >= 0
        assert color.max() <= 1
        assert not color[~seen].any()


def test_every_solid_is_seen_from_above_the_horizon() -> None:
    seen: set[int] = set()
    for azimuth in np.linspace(0, 2 * np.pi, 8, endpoint=False):
        origins, directions = rays_from(4 * np.array([np.cos(azimuth), np.sin(azimuth), 0.5]), 2000)
        distances = np.stack([solid.distance(origins, directions) for solid in toybox()])
        seen |= set(distances.argmin(axis=0)[np.isfinite(distances).any(axis=0)].tolist())
    assert seen == set(range(len(toybox())))


def test_the_nearest_solid_hides_those_behind_it() -> None:
    def white(p: np.ndarray) -> np.ndarray:
        return np.ones_like(p)

    def black(p: np.ndarray) -> np.ndarray:
        return np.zeros_like(p)

    near = Sphere(center=(0, 0, 1), radius=0.2, paint=white, gloss=0)
    far = Sphere(center=(0, 0, 0), radius=0.5, paint=black, gloss=0)
    origins, directions = np.array([[0.0, 0.0, 3.0]]), np.array([[0.0, 0.0, -1.0]])
    for solids in ((near, far), (far, near)):
        distance, color = trace(solids, origins, directions)
        assert distance[0] == np.float64(1.8)
        assert (color[0] > 0.5).all()
    distance, color = trace((far,), origins, directions)
    assert distance[0] == np.float64(2.5)
    assert (color[0] == 0).all()


def test_a_solid_between_the_lamp_and_a_point_puts_it_in_the_shadow() -> None:
    def gray(p: np.ndarray) -> np.ndarray:
        return np.full_like(p, 0.5)

    ball = Sphere(center=(0, 0, 0), radius=0.5, paint=gray, gloss=0)
    blocker = Sphere(center=tuple(2.0 * LAMP), radius=0.2, paint=gray, gloss=0)
    # Seen from the side, so that the blocker is not in the way.
    side = np.cross(LAMP, [0.0, 0.0, 1.0])
    eye = 0.5 * LAMP + 3 * (LAMP + side / np.linalg.norm(side)) / np.sqrt(2)
    origins, directions = eye[None], ((0.5 * LAMP - eye) / np.linalg.norm(0.5 * LAMP - eye))[None]
    lit, dark = (trace(solids, origins, directions) for solids in ((ball,), (ball, blocker)))
    assert lit[0][0] == dark[0][0]
    assert (dark[1] < 0.7 * lit[1]).all()
