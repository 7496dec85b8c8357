"""The metal scene: smooth and brushed metal on a painted stand, for what colors by the reflected direction.

It lies where the toybox does, and is traced like it. Metal reflects what is far away (`surroundings`), not what stands
beside it.
"""

from __future__ import annotations

from nsg_cluster.data.procedural.lighting import choose, plain
from nsg_cluster.data.procedural.solids import Cylinder, Solid, Sphere, Torus
from nsg_cluster.data.procedural.toybox import TABLE_TOP, tiles, turn

__all__ = ["metal"]


def metal() -> tuple[Solid, ...]:
    """Return the solids of the scene."""
    ball, ring, drum = 0.42, (0.30, 0.13), 0.24
    return (
        Cylinder(center=(0.0, 0.0, TABLE_TOP - 0.05), radius=1.12, half_height=0.05, paint=tiles, gloss=0.0),
        Sphere(center=(-0.40, -0.36, TABLE_TOP + ball), radius=ball, paint=plain("#f2f2f2"), gloss=0.0, mirror=1.0),
        Torus(
            center=(-0.38, 0.52, TABLE_TOP + sum(ring)),
            ring=ring[0],
            tube=ring[1],
            rotation=turn("z", -35.0) @ turn("x", 90.0),
            paint=plain("#f5c451"),
            gloss=0.0,
            mirror=1.0,
            roughness=0.02,
        ),
        Cylinder(
            center=(0.46, 0.44, TABLE_TOP + 0.42),
            radius=drum,
            half_height=0.42,
            paint=plain("#f0a080"),
            gloss=0.0,
            mirror=1.0,
            roughness=0.03,
        ),
        Sphere(
            center=(0.52, -0.42, TABLE_TOP + 0.28),
            radius=0.28,
            paint=lambda p: choose(p[:, 2] > 0, "#2a6f97", "#c1121f"),
            gloss=0.0,
            mirror=0.5,
        ),
    )
