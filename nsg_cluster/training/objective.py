"""Config weights times loss terms: named terms and their sum; and the background that truth and rendering share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from nsg_cluster.config.schema import Background, LossConfig
from nsg_cluster.render.rendering import Rendering
from nsg_cluster.render.volume import ray_distortion, ray_interlevel
from nsg_cluster.training import losses

__all__ = ["Score", "background_colors", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A rendering compared with the truth."""

    loss: Float[Tensor, ""]
    """Weighted sum of the terms: what is minimized."""
    terms: dict[str, Float[Tensor, ""]]
    """Each term with its weight."""
    squared_error: Float[Tensor, ""]
    """Mean squared difference of the colors, whatever the loss."""


def background_colors(
    kind: Background, num_rays: int, *, generator: Generator, device: torch.device
) -> Float[Tensor, "rays 3"]:
    """Return the color behind each ray; ``random`` gives every ray a color of its own."""
    if kind == "random":
        return torch.rand(num_rays, 3, generator=generator, device=device)
    return torch.full((num_rays, 3), 1.0 if kind == "white" else 0.0, device=device)


def score(
    config: LossConfig,
    rendering: Rendering,
    truth: Float[Tensor, "rays 3"],
    regularizers: Mapping[str, Float[Tensor, ""]] | None = None,
    *,
    is_sky: Bool[Tensor, " rays"] | None = None,
) -> Score:
    """Compare a rendering with the truth; terms of weight 0 are not computed.

    Args:
        config: Weights and kinds of the terms.
        rendering: What the model says.
        truth: What it should say.
        regularizers: What the model says about itself, by the name of its weight.
        is_sky: Which rays end in the sky, where that is known.
    """
    terms = {"photometric": losses.photometric(config.photometric, rendering.color, truth)}
    if config.opacity_entropy > 0:
        terms["opacity_entropy"] = config.opacity_entropy * losses.opacity_entropy(rendering.opacity)
    if config.sky > 0 and is_sky is not None:
        terms["sky"] = config.sky * losses.sky_opacity(rendering.opacity, is_sky)
    if config.distortion > 0:
        terms["distortion"] = config.distortion * ray_distortion(rendering).mean()
    if config.interlevel > 0 and rendering.histograms:
        terms["interlevel"] = config.interlevel * ray_interlevel(rendering).mean()
    if config.coarse > 0 and rendering.coarse is not None:
        terms["coarse"] = config.coarse * losses.photometric(config.photometric, rendering.coarse, truth)
    terms |= _of_normals(config, rendering)
    for name, value in (regularizers or {}).items():
        if (weight := getattr(config, name)) > 0:
            terms[name] = weight * value
    return Score(
        loss=torch.stack(list(terms.values())).sum(),
        terms=terms,
        squared_error=losses.mean_squared_error(rendering.color.detach(), truth),
    )


def _of_normals(config: LossConfig, rendering: Rendering) -> dict[str, Float[Tensor, ""]]:
    """Return the terms about normals, where a model trains them."""
    normals, weights, num_rays = rendering.normals, rendering.weights, len(rendering.opacity)
    if normals is None:
        return {}
    terms = {}
    if config.orientation > 0:
        terms["orientation"] = config.orientation * losses.orientation(weights, normals.along, num_rays)
    if config.predicted_normals > 0 and normals.mismatch is not None:
        terms["predicted_normals"] = config.predicted_normals * (weights * normals.mismatch).sum() / num_rays
    return terms
