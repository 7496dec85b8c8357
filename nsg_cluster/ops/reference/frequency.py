"""Sinusoidal encodings, in plain PyTorch.

Frequencies are ``2^k`` for ``k`` from ``lowest`` to ``lowest + count - 1``. The result holds, for each frequency, the
sines of all coordinates and then their cosines.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["frequency_encode", "integrated_encode"]


def frequency_encode(values: Float[Tensor, "points dims"], count: int, lowest: int) -> Float[Tensor, "points features"]:
    """Encode coordinates by sines and cosines (NeRF, eq. 4, without its factor pi)."""
    return integrated_encode(values, torch.zeros_like(values), count, lowest)


def integrated_encode(
    means: Float[Tensor, "points dims"], variances: Float[Tensor, "points dims"], count: int, lowest: int
) -> Float[Tensor, "points features"]:
    """Encode Gaussians by the expected sine and cosine of each coordinate (mip-NeRF, eq. 14).

    ``E[sin(f x)] = sin(f mu) exp(-f^2 sigma^2 / 2)`` for ``x`` of mean ``mu`` and variance ``sigma^2``.
    """
    frequencies = 2.0 ** torch.arange(lowest, lowest + count, dtype=means.dtype, device=means.device)
    angles = means[:, None, :] * frequencies[:, None]
    damping = torch.exp(-0.5 * variances[:, None, :] * frequencies[:, None].square())
    return torch.stack((angles.sin() * damping, angles.cos() * damping), dim=2).flatten(1)
