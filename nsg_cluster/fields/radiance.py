"""From position and direction to density and color.

Density is the share of light stopped per scene unit. A field lives in an axis-aligned box, or in all of space
contracted around a box (``geometry.warps``). What its network says is divided by the longest side of the box that is
``unit``, so that a scene and its scaled copy train alike.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.fields.mlp import MLP
from nsg_cluster.geometry.rays import Rays, RaySamples, midpoints
from nsg_cluster.geometry.warps import Contraction, to_unit_cube
from nsg_cluster.ops.encode import spherical_harmonics, trunc_exp

__all__ = ["HashDensityField", "HashRadianceField"]


class HashDensityField(nn.Module):
    """Hash grid and density network."""

    box: Tensor

    def __init__(
        self,
        grid: HashGrid,
        box: Float[Tensor, "2 3"],
        *,
        hidden_width: int,
        hidden_layers: int,
        features: int = 0,
        unit: float | None = None,
        contraction: Contraction = "none",
    ) -> None:
        """Build the network on a grid.

        Args:
            grid: Fills the box, or contracted space; what computes it computes the networks too.
            box: Lower and upper corner.
            hidden_width: Neurons in each hidden layer.
            hidden_layers: Hidden layers of the network.
            features: Numbers that it gives in addition to the density.
            unit: Length over which a density of one stops most light; the longest side of the box by default.
            contraction: How space is contracted around the box; ``none`` for what is inside alone.
        """
        super().__init__()
        self.grid = grid
        self.contraction = contraction
        self.density_scale = 1.0 / (unit or float((box[1] - box[0]).max()))
        self.register_buffer("box", box.clone(), persistent=False)
        self.density_network = MLP(
            grid.num_outputs, 1 + features, width=hidden_width, hidden_layers=hidden_layers, backend=grid.backend
        )

    def geometry(
        self, positions: Float[Tensor, "points 3"]
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points features"]]:
        """Return the density and the features at each position."""
        outputs = self.density_network(self.grid(to_unit_cube(positions, self.box, self.contraction))).t()
        density, features = outputs.split((1, len(outputs) - 1))
        return trunc_exp(density[0]) * self.density_scale, features.t()

    def density(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
        """Return the density alone."""
        return self.geometry(positions)[0]

    def along(self, rays: Rays, samples: RaySamples) -> Float[Tensor, " samples"]:
        """Return the density in the middle of intervals."""
        return self.density(midpoints(rays, samples))


class HashRadianceField(HashDensityField):
    """Hash grid, density network, color network (Instant-NGP, https://arxiv.org/abs/2201.05989, section 5.4)."""

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
        appearance_features: int = 0,
        unit: float | None = None,
        contraction: Contraction = "none",
        gives_log_radiance: bool = False,
    ) -> None:
        """Build both networks on a grid; the color network is told ``appearance_features`` numbers about an image.

        Its numbers are logarithms of radiance if ``gives_log_radiance``, colors from 0 to 1 otherwise.
        """
        super().__init__(
            grid,
            box,
            hidden_width=hidden_width,
            hidden_layers=density_hidden_layers,
            features=geometry_features,
            unit=unit,
            contraction=contraction,
        )
        self.direction_degree, self.gives_log_radiance = direction_degree, gives_log_radiance
        inputs = direction_degree**2 + appearance_features + geometry_features
        self.color_network = MLP(inputs, 3, width=hidden_width, hidden_layers=color_hidden_layers, backend=grid.backend)

    def encode_directions(
        self, directions: Float[Tensor, "rays 3"], appearance: Float[Tensor, "rays looks"] | None = None
    ) -> Float[Tensor, "rays width"]:
        """Return what the color network is told about unit vectors and images: once a ray, for all of its samples."""
        harmonics = spherical_harmonics(directions, self.direction_degree)
        return harmonics if appearance is None else torch.cat([harmonics, appearance], dim=-1)

    def color(
        self,
        features: Float[Tensor, "points features"],
        encoded: Float[Tensor, "rays width"],
        rays: Int[Tensor, " points"] | None = None,
    ) -> Float[Tensor, "points 3"]:
        """Return colors from 0 to 1, or logarithms of radiance.

        Args:
            features: What ``geometry`` returned.
            encoded: What ``encode_directions`` returned, for each ray.
            rays: The ray of each point; point by point without it.
        """
        # Feature by feature, as the network takes them: to turn a large matrix costs more than to fill it.
        if rays is None:
            known = encoded.t()
        elif encoded.requires_grad:  # what is chosen along the second axis is slow to differentiate
            known = encoded[rays].t()
        else:
            known = encoded.t().contiguous().index_select(1, rays)
        raw: Tensor = self.color_network(torch.cat([known, features.t()]).t())
        return raw if self.gives_log_radiance else torch.sigmoid(raw)
