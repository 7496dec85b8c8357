"""Renderings as pictures for people: color, depth and error, 8 bits a channel."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from nsg_cluster.render.image import ImageRendering
from nsg_cluster.render.rendering import Materials

__all__ = [
    "color_picture",
    "depth_picture",
    "error_picture",
    "material_pictures",
    "normals_picture",
    "shade_of",
]

Picture = UInt8[np.ndarray, "height width 3"]
# The error that the error map shows in its brightest color: larger ones are rare, and small ones stay visible.
FULL_ERROR = 0.25
WIDE_RANGE = 20.0


def shade_of(background: str) -> float:
    """Return the shade of a background by its name."""
    return {"black": 0.0, "white": 1.0}[background]


def color_picture(color: Float[Tensor, "height width 3"]) -> Picture:
    """Return colors from 0 to 1 as a picture."""
    return _quantized(color.clamp(0, 1).numpy())


def depth_picture(
    rendering: ImageRendering, *, near: float, far: float, background: float, is_median: bool = False
) -> Picture:
    """Return depth from ``near`` (red) to ``far`` (blue) in the color map Turbo, faded out where little is stopped.

    Evenly in depth; where far is more than twenty times as far as near, ever more slowly with depth, so that most of
    the colors are not spent on what is far away.
    """
    depth = rendering.median_depth if is_median else rendering.depth
    nearness = 1.0 - _share(depth.numpy(), near, far)
    opacity = rendering.opacity.numpy()[..., None]
    return _quantized(opacity * _mapped(nearness, "turbo") + (1.0 - opacity) * background)


def normals_picture(
    normals: Float[Tensor, "height width 3"], opacity: Float[Tensor, "height width"], *, background: float
) -> Picture:
    """Return normals from -1 to 1 along each axis of the world as red, green and blue from dark to bright."""
    share = opacity.numpy()[..., None]
    return _quantized(share * np.clip(normals.numpy() / 2 + 0.5, 0.0, 1.0) + (1.0 - share) * background)


def material_pictures(
    materials: Materials, opacity: Float[Tensor, "height width"], *, background: float
) -> dict[str, Picture]:
    """Return diffuse color, reflected color, and roughness r as a gray of r / (1 + r), by the ending of their files."""
    share = opacity[..., None]
    gray = (materials.roughness / (1 + materials.roughness))[..., None].expand_as(materials.diffuse)
    shown = {"_diffuse": materials.diffuse, "_reflected": materials.reflected, "_roughness": gray}
    return {ending: color_picture(share * color + (1 - share) * background) for ending, color in shown.items()}


def error_picture(color: Float[Tensor, "height width 3"], truth: Float[Tensor, "height width 3"]) -> Picture:
    """Return the absolute error, mean over the channels, in the color map Inferno: black for none, bright for 0.25."""
    error = (color - truth).abs().mean(dim=-1).numpy()
    return _quantized(_mapped(error / FULL_ERROR, "inferno"))


def _share(depth: Float[np.ndarray, "height width"], near: float, far: float) -> Float[np.ndarray, "height width"]:
    """Return how far depths are on the way from near to far."""
    if near <= 0 or far <= WIDE_RANGE * near:
        return np.asarray((depth - near) / (far - near))
    half = min(math.sqrt(near * far), WIDE_RANGE * near)
    low, high = near / (near + half), far / (far + half)
    return np.asarray((depth / (depth + half) - low) / (high - low))


def _mapped(values: Float[np.ndarray, "height width"], name: str) -> Float[np.ndarray, "height width 3"]:
    # Slow to import, and training does not need it.
    from matplotlib import colormaps

    colors: np.ndarray = colormaps[name](np.clip(values, 0.0, 1.0))[..., :3]
    return colors


def _quantized(values: Float[np.ndarray, "height width 3"]) -> Picture:
    rounded: np.ndarray = np.rint(values * 255.0).astype(np.uint8)
    return rounded
