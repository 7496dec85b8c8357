"""What a camera makes of radiance: the curve of sRGB, or a curve for each color channel, learned.

Huang et al., HDR-NeRF, https://arxiv.org/abs/2111.14451; ``x`` is the natural logarithm of radiance times exposure.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["ToneCurves", "srgb"]

WIDTH = 64
SPREAD = 0.01
# Below this much light the curve of sRGB is a line.
SRGB_LINE = 0.0031308


def srgb(linear: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """Return light, from 0 on, as images store it (IEC 61966-2-1); 1 stays 1, and what is brighter is not cut."""
    curve = 1.055 * linear.clamp(min=SRGB_LINE) ** (1 / 2.4) - 0.055
    return torch.where(linear <= SRGB_LINE, 12.92 * linear, curve)


class ToneCurves(nn.Module):
    """Three curves from the logarithm of exposed radiance to a color from 0 to 1.

    A curve is ``sigmoid(x + g(x) - g(0))`` with a network ``g`` of one hidden layer, so that it begins as a sigmoid and
    is always 0.5 at 0. Without such a fixed point radiance would be known up to a factor; ngp_pl fixes it by a loss.
    """

    def __init__(self, width: int = WIDTH) -> None:
        """Draw the weights: kinks of the curves lie where exposed radiance is, from -8 to 8."""
        super().__init__()
        self.slopes = nn.Parameter(torch.ones(3, width))
        self.kinks = nn.Parameter(torch.linspace(-8.0, 8.0, width).repeat(3, 1))
        self.heights = nn.Parameter(SPREAD * torch.randn(3, width) / math.sqrt(width))

    def forward(
        self, log_radiance: Float[Tensor, "points 3"], stops: Float[Tensor, " points"] | None
    ) -> Float[Tensor, "points 3"]:
        """Return colors; without ``stops`` at the usual exposure."""
        x = log_radiance if stops is None else log_radiance + math.log(2.0) * stops[:, None]
        return torch.sigmoid(x + self._bend(x) - self._bend(torch.zeros_like(x[:1])))

    def _bend(self, x: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
        hidden = torch.relu(self.slopes * (x[:, :, None] - self.kinks))
        return (hidden * self.heights).sum(-1)
