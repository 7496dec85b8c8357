"""From position and direction to density and color.

Density is the share of light stopped per scene unit. The field lives in an axis-aligned box; inside, positions are
measured from the lower corner in units of the box. What the network says is divided by the box's longest side, so that
a scene and its scaled copy train alike.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.fields.mlp import MLP
from nsg_cluster.ops.encode import spherical_harmonics, trunc_exp

__all__ = ["HashRadianceField"]


class HashRadianceField(nn.Module):
    """Hash grid, density network, color network (Instant-NGP, https://arxiv.org/abs/2201.05989, section 5.4)."""

    box: Tensor

    def __init__(
        self,
        grid: HashGrid,
        box: Float[Tensor, "2 3"],
        *,
        hidden_width: int,
        density_hidden_layers: int,
        color_hidden_layers: int,
        geometry_features: int,
        direction_degree: int,
    ) -> None:
        """Build both networks on a grid that fills the box."""
        super().__init__()
        self.grid = grid
        self.direction_degree = direction_degree
        self.density_scale = 1.0 / float((box[1] - box[0]).max())
        self.register_buffer("box", box.clone(), persistent=False)
        self.density_network = MLP(
            grid.num_outputs, 1 + geometry_features, width=hidden_width, hidden_layers=density_hidden_layers
        )
        self.color_network = MLP(
            direction_degree**2 + geometry_features, 3, width=hidden_width, hidden_layers=color_hidden_layers
        )

    def geometry(
        self, positions: Float[Tensor, "points 3"]
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points features"]]:
        """Return the density and what the color network is told about each position."""
        unit = (positions - self.box[0]) / (self.box[1] - self.box[0])
        outputs = self.density_network(self.grid(unit))
        return trunc_exp(outputs[:, 0]) * self.density_scale, outputs[:, 1:]

    def density(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
        """Return the density alone."""
        return self.geometry(positions)[0]

    def encode_directions(self, directions: Float[Tensor, "rays 3"]) -> Float[Tensor, "rays harmonics"]:
        """Return the spherical harmonics of unit vectors: once a ray, however many samples it has."""
        return spherical_harmonics(directions, self.direction_degree)

    def color(
        self, features: Float[Tensor, "points features"], directions: Float[Tensor, "points harmonics"]
    ) -> Float[Tensor, "points 3"]:
        """Return colors from 0 to 1, given what ``geometry`` and ``encode_directions`` returned."""
        return torch.sigmoid(self.color_network(torch.cat([directions, features], dim=-1)))
