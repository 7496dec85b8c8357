"""A small multilayer perceptron, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["mlp"]


def mlp(
    values: Float[Tensor, "points inputs"], weights: Sequence[Float[Tensor, "_ _"]]
) -> Float[Tensor, "points outputs"]:
    """Multiply by each matrix in turn, with ReLU between them and nothing after the last."""
    for weight in weights[:-1]:
        values = torch.relu(values @ weight.t())
    return values @ weights[-1].t()
