"""Loss terms as pure functions of tensors; every one is a mean over rays and has no weight.

``d`` is the difference of a rendered and a true color, ``o`` the opacity of a ray.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["HUBER_DELTA", "mean_squared_error", "opacity_entropy", "orientation", "photometric", "sky_opacity"]

HUBER_DELTA = 0.1
"""Color difference at which the Huber loss turns from a parabola into a line."""
_CHARBONNIER_EPS = 1e-3


def mean_squared_error(predicted: Float[Tensor, "rays 3"], truth: Float[Tensor, "rays 3"]) -> Float[Tensor, ""]:
    """Return the mean of d²."""
    return (predicted - truth).square().mean()


def photometric(
    kind: Literal["mse", "huber", "charbonnier"], predicted: Float[Tensor, "rays 3"], truth: Float[Tensor, "rays 3"]
) -> Float[Tensor, ""]:
    """Return the distance between rendered and true colors.

    ``mse`` is d²; ``huber`` is d² up to |d| = ``HUBER_DELTA`` and continues as its tangent; ``charbonnier`` is
    √(d² + ε²) with ε = 0.001 (Barron et al., mip-NeRF 360, https://arxiv.org/abs/2111.12077, section 5).
    """
    if kind == "mse":
        return mean_squared_error(predicted, truth)
    difference = predicted - truth
    if kind == "charbonnier":
        return (difference.square() + _CHARBONNIER_EPS**2).sqrt().mean()
    size = difference.abs()
    inside = size.clamp(max=HUBER_DELTA)
    return (inside * (2 * size - inside)).mean()


def sky_opacity(opacity: Float[Tensor, " rays"], is_sky: Bool[Tensor, " rays"]) -> Float[Tensor, ""]:
    """Return the mean of o over rays that end in the sky, times their share of all rays."""
    return (opacity * is_sky).mean()


def opacity_entropy(opacity: Float[Tensor, " rays"]) -> Float[Tensor, ""]:
    """Return the mean of -o ln o, which is 0 only where a ray is empty or opaque.

    The opacity is kept away from 0, where the slope of the term is infinite.
    """
    safe = opacity.clamp(1e-5, 1.0)
    return -(safe * torch.log(safe)).mean()


def orientation(
    weights: Float[Tensor, " samples"], along: Float[Tensor, " samples"], num_rays: int
) -> Float[Tensor, ""]:
    """Return the mean over rays of the sum of ``w max(0, n·d)²``: 0 where every visible surface faces the camera.

    Verbin et al., Ref-NeRF, https://arxiv.org/abs/2112.03907, eq. 11.

    Args:
        weights: Share ``w`` of each sample in its ray's color.
        along: Cosine ``n·d`` of the angle between its normal and its ray.
        num_rays: Number of rays.
    """
    return (weights * along.clamp(min=0.0).square()).sum() / num_rays
