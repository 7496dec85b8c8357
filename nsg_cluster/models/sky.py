"""What is seen where light meets nothing: a color for each direction."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nsg_cluster.fields.mlp import MLP
from nsg_cluster.ops.encode import spherical_harmonics

__all__ = ["Sky"]


class Sky(nn.Module):
    """A small network from spherical harmonics of the direction to a color."""

    def __init__(self, *, degree: int = 4, hidden_width: int = 32) -> None:
        """Draw the weights."""
        super().__init__()
        self.degree = degree
        self.network = MLP(degree**2, 3, width=hidden_width, hidden_layers=2)

    def forward(self, directions: Float[Tensor, "rays 3"]) -> Float[Tensor, "rays 3"]:
        """Return the colors of unit directions, 0 to 1."""
        return torch.sigmoid(self.network(spherical_harmonics(directions.detach(), self.degree)))
