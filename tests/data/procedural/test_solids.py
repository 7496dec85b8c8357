"""Intersections of rays and solids: by hand, against the surface equation, against a dense search."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nsg_cluster.data.procedural.solids import Box, Cylinder, Solid, Sphere, Torus

RNG = np.random.default_rng(0)
TURNED, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
TURNED *= np.linalg.det(TURNED)


def red(p: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.array([1.0, 0.0, 0.0]), p.shape)


SOLIDS: dict[str, Solid] = {
    "sphere": Sphere(center=(0.2, -0.1, 0.3), radius=0.4, paint=red),
    "box": Box(center=(0.2, -0.1, 0.3), half=(0.2, 0.3, 0.4), rotation=TURNED, paint=red),
    "cylinder": Cylinder(center=(0.2, -0.1, 0.3), radius=0.25, half_height=0.35, rotation=TURNED, paint=red),
    "torus": Torus(center=(0.2, -0.1, 0.3), ring=0.35, tube=0.12, rotation=TURNED, paint=red),
}


def inside(solid: Solid, points: np.ndarray) -> np.ndarray:
    """Say which points are inside, from the equation of the solid."""
    p = (points - solid.center) @ solid.rotation
    across, within = np.hypot(p[..., 0], p[..., 1]), np.zeros(0, dtype=bool)
    if isinstance(solid, Sphere):
        within = np.linalg.norm(p, axis=-1) < solid.radius
    elif isinstance(solid, Box):
        within = (np.abs(p) < solid.half).all(axis=-1)
    elif isinstance(solid, Cylinder):
        within = (across < solid.radius) & (np.abs(p[..., 2]) < solid.half_height)
    elif isinstance(solid, Torus):
        within = np.hypot(across - solid.ring, p[..., 2]) < solid.tube
    return within


def rays(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rays from a sphere around the solids towards points near them."""
    origins = RNG.normal(size=(count, 3))
    origins *= 3.0 / np.linalg.norm(origins, axis=1, keepdims=True)
    directions = np.array([0.2, -0.1, 0.3]) + RNG.uniform(-0.5, 0.5, size=(count, 3)) - origins
    return origins, directions / np.linalg.norm(directions, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("solid", "expected"),
    [
        (Sphere(center=(0, 0, 0), radius=0.5, paint=red), 3.5),
        (Box(center=(0, 0, 0), half=(0.5, 0.25, 0.1), paint=red), 3.5),
        (Cylinder(center=(0, 0, 0), radius=0.5, half_height=0.2, paint=red), 3.5),
        (Torus(center=(0, 0, 0), ring=0.5, tube=0.25, paint=red), 3.25),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_ray_along_the_x_axis_meets_the_surface_where_it_was_computed_by_hand(solid: Solid, expected: float) -> None:
    origins, directions = np.array([[4.0, 0.0, 0.0]]), np.array([[-1.0, 0.0, 0.0]])
    assert solid.distance(origins, directions)[0] == pytest.approx(expected, abs=1e-9)
    assert math.isinf(solid.distance(origins, -directions)[0])
    normal, color = solid.surface(origins + expected * directions)
    assert normal[0] == pytest.approx([1, 0, 0], abs=1e-9)
    assert color[0].tolist() == [1, 0, 0]


def test_a_ray_through_the_hole_of_a_torus_misses_it() -> None:
    torus = Torus(center=(0, 0, 0), ring=0.5, tube=0.2, paint=red)
    down = np.array([[0.0, 0.0, -1.0]])
    assert math.isinf(torus.distance(np.array([[0.1, 0.1, 2.0]]), down)[0])
    assert torus.distance(np.array([[0.5, 0.0, 2.0]]), down)[0] == pytest.approx(1.8)


def test_rays_along_the_axes_of_a_cylinder_and_a_box_have_no_division_by_zero() -> None:
    down = np.array([[0.0, 0.0, -1.0]])
    for solid in (
        Cylinder(center=(0, 0, 0), radius=0.5, half_height=0.2, paint=red),
        Box(center=(0, 0, 0), half=(0.5, 0.5, 0.2), paint=red),
    ):
        assert solid.distance(np.array([[0.3, 0.0, 2.0]]), down)[0] == pytest.approx(1.8)
        assert math.isinf(solid.distance(np.array([[0.6, 0.0, 2.0]]), down)[0])


@pytest.mark.parametrize("name", SOLIDS)
def test_hits_are_on_the_surface_with_nothing_in_front_and_misses_meet_nothing(name: str) -> None:
    solid = SOLIDS[name]
    origins, directions = rays(400)
    t = solid.distance(origins, directions)
    hit = np.isfinite(t)
    assert 0.15 < hit.mean() < 0.95
    steps = np.linspace(1.5, 4.5, 3000)
    dense = inside(solid, origins[:, None] + steps[:, None] * directions[:, None])
    first = np.where(dense.any(axis=1), steps[dense.argmax(axis=1)], np.inf)
    # The search can overlook a grazed edge, but never finds anything that the solution does not know.
    assert (t <= first + 1e-9).all()
    chord = dense.sum(axis=1) * (steps[1] - steps[0])
    clear = hit & (chord > 0.01)
    assert clear.sum() > 0.8 * hit.sum()
    np.testing.assert_allclose(t[clear], first[clear], atol=2 * (steps[1] - steps[0]))
    points = origins[hit] + t[hit, None] * directions[hit]
    normals, _ = solid.surface(points)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
    assert inside(solid, points - 1e-4 * normals).mean() > 0.99
    assert not inside(solid, points + 1e-4 * normals).any()


def test_a_torus_is_hit_at_the_first_root_of_its_quartic() -> None:
    torus = Torus(center=(0, 0, 0), ring=0.35, tube=0.12, paint=red)
    origins, directions = rays(200)
    t = torus.distance(origins, directions)
    big, small = torus.ring**2, torus.tube**2
    checked = 0
    for o, d, found in zip(origins, directions, t, strict=True):
        od, k = o @ d, o @ o - small - big
        flat = [d[0] ** 2 + d[1] ** 2, 2 * (o[0] * d[0] + o[1] * d[1]), o[0] ** 2 + o[1] ** 2]
        quartic = [
            1.0,
            4 * od,
            4 * od**2 + 2 * (k + 2 * big) - 4 * big * flat[0],
            4 * od * (k + 2 * big) - 4 * big * flat[1],
            (k + 2 * big) ** 2 - 4 * big * flat[2],
        ]
        roots = np.roots(quartic)
        real = np.sort(roots[np.abs(roots.imag) < 1e-7].real)
        if len(real) == 0:
            assert math.isinf(found)
        elif len(real) < 2 or real[1] - real[0] > 0.02:
            assert found == pytest.approx(real[0], abs=1e-7)
            checked += 1
    assert checked > 20
