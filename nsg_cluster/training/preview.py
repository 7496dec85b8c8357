"""A quick look at one held-out view while training: the rendering beside the truth, on few pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from nsg_cluster.config.schema import EvaluateConfig
from nsg_cluster.data.batches import RayBatch, RayBatches
from nsg_cluster.data.scene import Views
from nsg_cluster.models.base import Model
from nsg_cluster.training.losses import mean_squared_error
from nsg_cluster.training.progress import psnr_of

__all__ = ["Preview", "PreviewView"]

LONGER_SIDE_PX = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One view, rendered."""

    image: UInt8[np.ndarray, "height width 3"]
    """Rendering on the left, truth on the right."""
    psnr: float
    """Of the pixels shown."""


class PreviewView:
    """Every so-manieth pixel of the first held-out view."""

    def __init__(self, views: Views, config: EvaluateConfig, device: torch.device) -> None:
        self._config = config
        height, width = views.cameras.height, views.cameras.width
        stride = -(-max(height, width) // LONGER_SIDE_PX)
        rows, columns = torch.arange(0, height, stride), torch.arange(0, width, stride)
        self._shape = (len(rows), len(columns))
        whole = RayBatches(views, device).image(0)
        pixels = (rows[:, None] * width + columns).flatten().to(device)
        self._batch = RayBatch(rays=whole.rays[pixels], color=whole.color[pixels], alpha=whole.alpha[pixels])

    @torch.no_grad()
    def render(self, model: Model) -> Preview:
        """Render the view without gradients; the model is left as it was."""
        shade = 1.0 if self._config.background == "white" else 0.0
        background = torch.full_like(self._batch.color, shade)
        was_training = model.training
        model.eval()
        with torch.no_grad():
            parts = [
                model.render_rays(
                    self._batch.rays[first : first + self._config.chunk],
                    background=background[first : first + self._config.chunk],
                    transmittance_threshold=self._config.transmittance_threshold,
                ).color
                for first in range(0, len(background), self._config.chunk)
            ]
        model.train(was_training)
        color, truth = torch.cat(parts), self._batch.over(background)
        return Preview(
            image=np.concatenate([self._picture(color), self._picture(truth)], axis=1),
            psnr=psnr_of(float(mean_squared_error(color, truth))),
        )

    def _picture(self, color: Tensor) -> UInt8[np.ndarray, "height width 3"]:
        values = (color.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy()
        return values.reshape(*self._shape, 3)
