"""Solids with exact ray intersections, in numpy double precision.

Each solid is defined in a frame of its own around its center: ``o`` origins, ``d`` unit directions, ``p`` points,
``t`` distances along a ray, infinite where it misses. Colors are linear light, 0 to 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["Box", "Cylinder", "Paint", "Solid", "Sphere", "Torus"]

Points = Float[np.ndarray, "points 3"]
Scalars = Float[np.ndarray, " points"]
Paint = Callable[[np.ndarray], np.ndarray]
"""Linear color of each surface point, given in the frame of its solid."""

# A ray that grazes a tube of radius r at a distance e needs about pi sqrt(2 r / e) steps to get past it, so a ray that
# comes this close counts as touching, and the steps suffice for tubes up to a radius of 0.3.
TORUS_CLOSE = 1e-4
TORUS_STEPS = 256
NEWTON_STEPS = 3


def _unit(v: Points) -> Points:
    unit: np.ndarray = v / np.linalg.norm(v, axis=1, keepdims=True)
    return unit


def _dot(a: Points, b: Points) -> Scalars:
    product: np.ndarray = np.einsum("ij,ij->i", a, b)
    return product


def _slabs(o: Points, d: Points, half: Float[np.ndarray, " 3"]) -> tuple[Scalars, Scalars]:
    """Return where rays enter and leave a box around the origin; they enter behind where they leave if they miss it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (-half - o) / d, (half - o) / d
    near, far = np.fmin(low, high), np.fmax(low, high)
    # A ray in the plane of a face gives 0/0; fmax and fmin pass over the NaN.
    return (
        np.fmax(np.fmax(near[:, 0], near[:, 1]), near[:, 2]),
        np.fmin(np.fmin(far[:, 0], far[:, 1]), far[:, 2]),
    )


@dataclass(frozen=True, kw_only=True)
class Solid(ABC):
    """A painted shape at a place."""

    center: tuple[float, float, float]
    paint: Paint
    gloss: float = 0.25
    """Strength of the highlight."""
    mirror: float = 0.0
    """Share of its color that is reflected from the surroundings, as metal does; 1 for metal alone."""
    roughness: float = 0.0
    """How far reflected directions spread: one over the concentration of von Mises and Fisher."""
    rotation: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    """World from local."""

    @property
    @abstractmethod
    def reach(self) -> float:
        """Radius of the sphere around the center that holds the solid."""

    @abstractmethod
    def local_distance(self, o: Points, d: Points) -> Scalars:
        """Return the distance to the first surface that a ray from outside meets, in the frame of the solid."""

    @abstractmethod
    def local_normal(self, p: Points) -> Points:
        """Return the outward unit normal at surface points, in the frame of the solid."""

    def distance(self, origins: Points, directions: Points) -> Scalars:
        """Return the distance along each ray, infinite where it misses."""
        t = np.full(len(origins), np.inf)
        near = np.flatnonzero(self._may_hit(origins, directions))
        if near.size:
            o = (origins[near] - self.center) @ self.rotation
            t[near] = self.local_distance(o, directions[near] @ self.rotation)
        return t

    def surface(self, points: Points) -> tuple[Points, Points]:
        """Return the outward normals and the linear colors at surface points."""
        p = (points - self.center) @ self.rotation
        return self.local_normal(p) @ self.rotation.T, self.paint(p)

    def _may_hit(self, origins: Points, directions: Points) -> Bool[np.ndarray, " points"]:
        """Test the sphere that holds the solid."""
        to_center = np.asarray(self.center) - origins
        along = _dot(to_center, directions)
        inside = _dot(to_center, to_center) < along * along + self.reach**2
        near: np.ndarray = inside & (along > -self.reach)
        return near


@dataclass(frozen=True, kw_only=True)
class Sphere(Solid):
    """A ball."""

    radius: float

    @property
    def reach(self) -> float:
        """Radius of the sphere around the center that holds the solid."""
        return self.radius

    def local_distance(self, o: Points, d: Points) -> Scalars:
        """Solve ``|o + t d| = radius``."""
        b = _dot(o, d)
        root = np.sqrt(np.maximum(b * b - _dot(o, o) + self.radius**2, 0.0))
        t = -b - root
        return np.where((root > 0) & (t > 0), t, np.inf)

    def local_normal(self, p: Points) -> Points:
        """Return the outward unit normal."""
        return p / self.radius


@dataclass(frozen=True, kw_only=True)
class Box(Solid):
    """A cuboid along the axes of its frame."""

    half: tuple[float, float, float]
    """Half of each side."""

    @property
    def reach(self) -> float:
        """Radius of the sphere around the center that holds the solid."""
        return float(np.linalg.norm(self.half))

    def local_distance(self, o: Points, d: Points) -> Scalars:
        """Intersect three slabs."""
        enter, leave = _slabs(o, d, np.asarray(self.half))
        return np.where((enter < leave) & (enter > 0), enter, np.inf)

    def local_normal(self, p: Points) -> Points:
        """Return the normal of the face that is nearest in proportion to the sides."""
        scaled = p / self.half
        face = np.abs(scaled).argmax(axis=1)
        normal = np.zeros_like(p)
        rows = np.arange(len(p))
        normal[rows, face] = np.sign(scaled[rows, face])
        return normal


@dataclass(frozen=True, kw_only=True)
class Cylinder(Solid):
    """A capped cylinder along the z axis of its frame."""

    radius: float
    half_height: float

    @property
    def reach(self) -> float:
        """Radius of the sphere around the center that holds the solid."""
        return float(np.hypot(self.radius, self.half_height))

    def local_distance(self, o: Points, d: Points) -> Scalars:
        """Intersect the infinite cylinder with the slab between the caps."""
        a = d[:, 0] ** 2 + d[:, 1] ** 2
        b = o[:, 0] * d[:, 0] + o[:, 1] * d[:, 1]
        c = o[:, 0] ** 2 + o[:, 1] ** 2 - self.radius**2
        discriminant = b * b - a * c
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(np.maximum(discriminant, 0.0))
            side = np.stack([(-b - root) / a, (-b + root) / a])
            caps = np.stack([(-self.half_height - o[:, 2]) / d[:, 2], (self.half_height - o[:, 2]) / d[:, 2]])
        inside = c < 0
        upright = a < 1e-18
        side[0] = np.where(upright, np.where(inside, -np.inf, np.inf), side[0])
        side[1] = np.where(upright, np.where(inside, np.inf, -np.inf), side[1])
        enter = np.fmax(side[0], caps.min(axis=0))
        leave = np.fmin(side[1], caps.max(axis=0))
        return np.where((discriminant >= 0) & (enter < leave) & (enter > 0), enter, np.inf)

    def local_normal(self, p: Points) -> Points:
        """Return the normal of the cap or the side, whichever the point is nearer to."""
        across = np.hypot(p[:, 0], p[:, 1])
        on_cap = self.half_height - np.abs(p[:, 2]) < self.radius - across
        return _unit(np.where(on_cap[:, None], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]) * p)


@dataclass(frozen=True, kw_only=True)
class Torus(Solid):
    """A ring around the z axis of its frame."""

    ring: float
    """Distance from the center to the middle of the tube."""
    tube: float
    """Radius of the tube."""

    @property
    def reach(self) -> float:
        """Radius of the sphere around the center that holds the solid."""
        return self.ring + self.tube

    def local_distance(self, o: Points, d: Points) -> Scalars:
        """Walk by the distance to the surface, which passes over no root of the quartic, then polish by Newton."""
        enter, end = _slabs(o, d, np.array([self.reach, self.reach, self.tube]))
        t = np.maximum(enter, 0.0)
        active = np.flatnonzero(t < end)
        found = np.zeros(len(o), dtype=bool)
        for _ in range(TORUS_STEPS):
            step = self._signed_distance(o[active] + t[active, None] * d[active])
            t[active] += step
            close = step < TORUS_CLOSE
            found[active[close]] = True
            active = active[~close & (t[active] < end[active])]
            if not active.size:
                break
        for _ in range(NEWTON_STEPS):
            p = o[found] + t[found, None] * d[found]
            slope = _dot(self.local_normal(p), d[found])
            # A grazing ray has no slope to divide by; it is close enough already.
            t[found] -= np.where(np.abs(slope) > 1e-3, self._signed_distance(p) / np.where(slope == 0, 1.0, slope), 0.0)
        return np.where(found, t, np.inf)

    def local_normal(self, p: Points) -> Points:
        """Return the direction from the middle of the tube."""
        across = np.hypot(p[:, 0], p[:, 1])
        middle = p * (self.ring / across)[:, None]
        middle[:, 2] = 0.0
        return _unit(p - middle)

    def _signed_distance(self, p: Points) -> Scalars:
        distance: np.ndarray = np.hypot(np.hypot(p[:, 0], p[:, 1]) - self.ring, p[:, 2]) - self.tube
        return distance
