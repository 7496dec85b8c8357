"""The metal scene: what mirrors show is what stands where they send the rays."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nsg_cluster.config.schema import SyntheticData
from nsg_cluster.data.procedural.lighting import GAMMA
from nsg_cluster.data.procedural.metal import metal
from nsg_cluster.data.procedural.solids import Sphere
from nsg_cluster.data.procedural.surroundings import light_from
from nsg_cluster.data.procedural.synthetic import load_synthetic
from nsg_cluster.data.procedural.toybox import HALF_SIDE, trace
from nsg_cluster.geometry.cameras import image_rays


def some_directions(count: int) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(count, 3))
    directions: np.ndarray = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return directions


def test_a_mirror_shows_the_surroundings_in_its_own_color() -> None:
    tint = np.array([0.9, 0.6, 0.3])
    ball = Sphere(center=(0, 0, 0), radius=0.5, paint=lambda p: np.broadcast_to(tint, p.shape), gloss=0, mirror=1.0)
    # A ray that meets the ball straight goes back, one that meets it at 45 degrees is turned by 90.
    offset = 0.5 / math.sqrt(2)
    origins = np.array([[3.0, 0, 0], [3.0, offset, 0], [3.0, 0, offset]])
    _, seen = trace((ball,), origins, np.tile([-1.0, 0, 0], (3, 1)))
    expected = np.clip(tint * light_from(np.eye(3), 0.0), 0, 1) ** (1 / GAMMA)
    np.testing.assert_allclose(seen, expected, atol=1e-9)


def test_brushed_metal_shows_the_mean_of_the_surroundings_around_that_direction() -> None:
    around = some_directions(400_000)
    smooth = light_from(around, 0.0)
    for direction in some_directions(5):
        weights = np.exp((around @ direction - 1) / 0.03)
        expected = weights @ smooth / weights.sum()
        found = light_from(direction[None], 0.03)[0]
        np.testing.assert_allclose(found, expected, atol=0.03)
        assert np.abs(found - light_from(direction[None], 0.0)[0]).max() > 0.005


def test_the_scene_lies_in_its_box_and_is_seen_from_other_sides_in_other_colors() -> None:
    scene = load_synthetic(SyntheticData(scene="metal", image_size=32, train_views=1, test_views=4, supersample=1))
    depth = scene.test.depth
    assert depth is not None and 0.2 < float(depth.isfinite().float().mean()) < 0.6
    rays = image_rays(scene.test.cameras, 0)
    seen = depth[0].flatten().isfinite()
    points = rays.origins[seen] + depth[0].flatten()[seen, None] * rays.directions[seen]
    assert float(points.abs().max()) < HALF_SIDE
    ball = metal()[1]
    top = np.asarray(ball.center) + np.array([0, 0, ball.reach])
    eyes = 4 * np.array([[math.cos(turn), math.sin(turn), 1.0] for turn in (0.0, 1.5, 3.0)])
    toward = top - eyes
    _, color = trace(metal(), eyes, toward / np.linalg.norm(toward, axis=1, keepdims=True))
    assert np.ptp(color, axis=0).max() > 0.1
    toybox = load_synthetic(SyntheticData(image_size=32, train_views=1, test_views=4, supersample=1))
    assert not torch.equal(toybox.test.images, scene.test.images)


def test_a_scene_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="toybox"):
        SyntheticData.model_validate({"kind": "synthetic", "scene": "metall"})
