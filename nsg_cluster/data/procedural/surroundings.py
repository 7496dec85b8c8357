"""What stands far around a procedural scene and is seen in its mirrors: a sky above a ground, and colored lamps.

World axes: z up. Colors are linear light.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["light_from"]

Points = Float[np.ndarray, "points 3"]

SKY = np.array([0.28, 0.38, 0.52])
GROUND = np.array([0.10, 0.07, 0.05])
# Azimuth and elevation in degrees, sharpness (one over the squared width in radians), color.
LAMPS: tuple[tuple[float, float, float, tuple[float, float, float]], ...] = (
    (-52.0, 50.0, 12.0, (1.0, 0.92, 0.8)),
    (10.0, 15.0, 16.0, (0.95, 0.15, 0.1)),
    (65.0, 5.0, 16.0, (0.95, 0.65, 0.05)),
    (125.0, 20.0, 16.0, (0.1, 0.75, 0.15)),
    (180.0, 0.0, 16.0, (0.1, 0.25, 0.95)),
    (240.0, 20.0, 16.0, (0.75, 0.1, 0.8)),
    (300.0, -5.0, 16.0, (0.05, 0.75, 0.75)),
    (110.0, 70.0, 40.0, (1.0, 1.0, 1.0)),
    (250.0, 65.0, 40.0, (1.0, 0.7, 0.4)),
)


def light_from(directions: Points, roughness: float) -> Points:
    """Return the light from unit directions, or its mean around each of them.

    Directions spread as von Mises and Fisher have it, with a concentration of one over the roughness. A lamp is such a
    lobe too; where both are narrow against the sphere, their convolution is a lobe of as much light whose squared
    widths are added up.
    """
    height = 0.5 * (1.0 + directions[:, 2:])
    light: np.ndarray = GROUND + (SKY - GROUND) * height
    for azimuth_deg, elevation_deg, sharpness, color in LAMPS:
        azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
        flat = np.cos(elevation)
        toward = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
        spread = 1.0 / (1.0 + sharpness * roughness)
        light = light + spread * np.exp(sharpness * spread * (directions @ toward - 1.0))[:, None] * np.asarray(color)
    return light
