"""Rotations as vectors: along the axis, as long as the angle in radians."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["rotated"]

# Below this squared angle the next terms of the series are lost in float32.
_SMALL = 1e-4


def rotated(vectors: Float[Tensor, "n 3"], turns: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Return each vector turned by a rotation vector; differentiable in both, also where nothing is turned.

    Rodrigues' formula ``v + a w x v + b w x (w x v)`` with ``a = sin t / t`` and ``b = (1 - cos t) / t²`` for the angle
    ``t = |w|``.
    """
    squared = turns.square().sum(-1, keepdim=True)
    is_small = squared < _SMALL
    angle = torch.where(is_small, 1.0, squared).sqrt()
    a = torch.where(is_small, 1 - squared / 6, angle.sin() / angle)
    b = torch.where(is_small, 0.5 - squared / 24, (1 - angle.cos()) / angle.square())
    across: Tensor = torch.linalg.cross(turns, vectors)
    twice: Tensor = torch.linalg.cross(turns, across)
    return vectors + a * across + b * twice
