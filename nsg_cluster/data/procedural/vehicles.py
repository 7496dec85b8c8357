"""Vehicles of differing shape, put together from painted solids.

A vehicle's own frame has its origin in the middle of the underside, x forward, y to the left, z up. Its parts fill the
box of its length, height and width exactly, and none sticks out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from nsg_cluster.data.procedural.lighting import choose, linear_color, plain
from nsg_cluster.data.procedural.solids import Box, Cylinder, Paint, Solid

__all__ = ["VEHICLES", "Vehicle", "any_vehicle", "placed"]

GLASS, TIRE, CHASSIS = "#1d2b3a", "#1c1c1e", "#2c2f33"
LAMP_SIDE = 0.2
# Lamps stand out of front and back by this much, and are as thick.
LAMP_DEPTH = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """A shape with a name."""

    model: str
    label: str
    """Type in KITTI's labels and Virtual KITTI's info: Car, Van, Truck."""
    color: str
    """Name of the color of its body."""
    size: tuple[float, float, float]
    """Length, height and width, in meters."""
    parts: tuple[Solid, ...]


def placed(vehicle: Vehicle, pose: Float[np.ndarray, "4 4"]) -> tuple[Solid, ...]:
    """Return the parts of a vehicle in the world, where its own frame has a pose."""
    rotation, position = pose[:3, :3], pose[:3, 3]
    return tuple(
        replace(part, center=_tuple(rotation @ part.center + position), rotation=rotation @ part.rotation)
        for part in vehicle.parts
    )


def _tuple(point: Float[np.ndarray, " 3"]) -> tuple[float, float, float]:
    x, y, z = point.tolist()
    return (x, y, z)


def _block(x: tuple[float, float], width: float, z: tuple[float, float], paint: Paint, gloss: float = 0.5) -> Solid:
    """Return a cuboid of some width between two places along the vehicle and two heights."""
    center = (sum(x) / 2, 0.0, sum(z) / 2)
    return Box(center=center, half=((x[1] - x[0]) / 2, width / 2, (z[1] - z[0]) / 2), paint=paint, gloss=gloss)


def _wheels(at: Sequence[float], width: float, radius: float) -> list[Solid]:
    across = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    half = 0.11
    return [
        Cylinder(
            center=(x, side * (width / 2 - half), radius),
            radius=radius,
            half_height=half,
            rotation=across,
            paint=_tire(radius),
            gloss=0.1,
        )
        for x in at
        for side in (-1.0, 1.0)
    ]


def _lamps(length: float, width: float, z: float) -> list[Solid]:
    """Return white lamps in front and red ones at the back."""
    return [
        Box(
            center=(end * (length - LAMP_DEPTH) / 2, side * (width / 2 - 0.05 - LAMP_SIDE / 2), z),
            half=(LAMP_DEPTH / 2, LAMP_SIDE / 2, 0.07),
            paint=plain("#fff8e0" if end > 0 else "#d01822"),
            gloss=0.8,
        )
        for end in (-1.0, 1.0)
        for side in (-1.0, 1.0)
    ]


def _tire(radius: float) -> Paint:
    return lambda p: choose(np.hypot(p[:, 0], p[:, 1]) < 0.6 * radius, "#b9bdc2", TIRE)


def _striped(body: str, stripe: str, low: float, high: float) -> Paint:
    """Return a paint with a stripe along the sides, between two heights from the middle."""
    return lambda p: choose((p[:, 2] > low) & (p[:, 2] < high), stripe, body)


def _windows(body: str, half_height: float, pitch: float) -> Paint:
    """Return a paint of windows all around, with pillars between them and a roof above."""

    def paint(p: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        is_glass = (np.abs(p[:, 2]) < 0.72 * half_height) & (np.abs((p[:, 0] / pitch) % 1 - 0.5) < 0.43)
        return choose(is_glass, GLASS, body)

    return paint


def _panels(one: str, other: str, pitch: float) -> Paint:
    """Return a paint of upright panels in two colors."""
    return lambda p: choose(np.floor(p[:, 0] / pitch) % 2 == 0, one, other)


def _car(
    model: str,
    color: tuple[str, str],
    size: tuple[float, float, float],
    *,
    label: str = "Car",
    belt: float,
    cabin: tuple[float, float],
    clearance: float = 0.2,
    pitch: float = 1.1,
) -> Vehicle:
    """Return a car: a body up to the belt, a cabin on it between two places, wheels and lamps."""
    length, height, width = size
    name, code = color
    half = length / 2 - LAMP_DEPTH
    stripe = "#" + "".join(f"{int(255 * value**0.4):02x}" for value in 0.6 * linear_color(code) + 0.02)
    body = _block((-half, half), width, (clearance, belt), _striped(code, stripe, -0.06, 0.06))
    top = _block(cabin, 0.86 * width, (belt, height), _windows(code, (height - belt) / 2, pitch), 0.8)
    parts = [body, top, *_wheels((-0.31 * length, 0.31 * length), width, 0.32), *_lamps(length, width, 0.75 * belt)]
    return Vehicle(model=model, label=label, color=name, size=size, parts=tuple(parts))


def _truck(size: tuple[float, float, float], color: tuple[str, str], panels: tuple[str, str]) -> Vehicle:
    """Return a truck: a chassis, a cab in front, a box of two colors behind it."""
    length, height, width = size
    name, code = color
    half = length / 2 - LAMP_DEPTH
    parts = [
        _block((-half, half), 0.8 * width, (0.35, 0.75), plain(CHASSIS), 0.1),
        _block((half - 1.52, half), 0.96 * width, (0.75, 2.5), _windows(code, 0.875, 1.6)),
        _block((-half, half - 1.72), width, (0.75, height), _panels(*panels, 0.85), 0.2),
        *_wheels((-half + 1.02, -half + 2.12, half - 0.92), width, 0.45),
        *_lamps(length, 0.8 * width, 0.55),
    ]
    return Vehicle(model="BoxTruck", label="Truck", color=name, size=size, parts=tuple(parts))


def _bus() -> Vehicle:
    length, height, width = 9.2, 3.0, 2.5
    half = length / 2 - LAMP_DEPTH
    parts = [
        _block((-half, half), width, (0.35, 1.4), _striped("#f2b134", "#24527a", -0.15, 0.1)),
        _block((-half, half), 0.98 * width, (1.4, height), _windows("#f2b134", 0.8, 1.5), 0.6),
        *_wheels((-3.0, 2.9), width, 0.48),
        *_lamps(length, width, 0.8),
    ]
    return Vehicle(model="CityBus", label="Truck", color="Yellow", size=(length, height, width), parts=tuple(parts))


def any_vehicle(random: np.random.Generator) -> Vehicle:
    """Return a vehicle drawn at random: six of ten are cars, the others vans and trucks."""
    color, other = (f"#{random.integers(30, 240, 3).astype(np.uint8).tobytes().hex()}" for _ in range(2))
    draw = random.uniform
    kind = draw()
    if kind < 0.2:
        return _truck((draw(6.2, 8.5), draw(2.7, 3.3), draw(2.2, 2.5)), ("Any", color), ("#e8e4da", other))
    if kind < 0.4:
        length, height = draw(4.4, 5.4), draw(1.85, 2.3)
        cabin = (-length / 2 + 0.04, length * draw(0.25, 0.33))
        size = (length, height, draw(1.8, 2.0))
        return _car("Van", ("Any", color), size, label="Van", belt=draw(1.0, 1.2), cabin=cabin, clearance=0.25)
    length, height = draw(3.5, 4.9), draw(1.15, 1.6)
    cabin = (-length * draw(0.3, 0.48), length * draw(0.05, 0.2))
    belt, clearance = height * draw(0.55, 0.65), draw(0.13, 0.22)
    return _car("Car", ("Any", color), (length, height, draw(1.65, 1.9)), belt=belt, cabin=cabin, clearance=clearance)


VEHICLES = (
    _car("Sedan4Door", ("Red", "#c22f35"), (4.4, 1.45, 1.8), belt=0.86, cabin=(-1.45, 0.7)),
    _car(
        "DeliveryVan",
        ("White", "#e9e6df"),
        (4.8, 2.0, 1.9),
        label="Van",
        belt=1.1,
        cabin=(-2.36, 1.35),
        clearance=0.25,
        pitch=1.7,
    ),
    _car("Hatchback", ("Green", "#3c8d5a"), (3.6, 1.52, 1.7), belt=0.92, cabin=(-1.75, 0.45)),
    _truck((6.9, 3.1, 2.4), ("Orange", "#c1440e"), ("#e8e4da", "#4f7cac")),
    _bus(),
    _car("Roadster", ("Blue", "#2f5fb3"), (4.2, 1.16, 1.84), belt=0.72, cabin=(-1.3, 0.25), clearance=0.14),
)
"""A sedan, a van, a hatchback, a truck, a bus and a sports car."""
