"""The multiresolution hash grid as a module.

Points are in the unit cube; a *table* holds the features of all levels, one entry a row (Müller et al., "Instant
Neural Graphics Primitives", https://arxiv.org/abs/2201.05989, section 3).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nsg_cluster.ops.backends import Backend, hash_encode
from nsg_cluster.ops.encode import HashGridLayout

__all__ = ["HashGrid"]

_INITIAL_SPREAD = 1e-4


class HashGrid(nn.Module):
    """Trainable features at the corners of grids from coarse to fine."""

    def __init__(self, layout: HashGridLayout, *, backend: Backend = "native") -> None:
        """Start with features drawn uniformly from ±0.0001, as the paper does."""
        super().__init__()
        self.layout, self.backend = layout, backend
        table = torch.empty(layout.num_entries, layout.features)
        self.table = nn.Parameter(table.uniform_(-_INITIAL_SPREAD, _INITIAL_SPREAD))

    @property
    def num_outputs(self) -> int:
        """Numbers that the encoding gives for a point."""
        return self.layout.levels * self.layout.features

    def forward(self, points: Float[Tensor, "points 3"]) -> Float[Tensor, "points outputs"]:
        """Return the features of each level, interpolated at each point, one level after another."""
        return hash_encode(points, self.table, self.layout, backend=self.backend)
