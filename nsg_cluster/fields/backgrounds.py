"""Fields of what does not move, behind one interface: density and color of points on rays of the world."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from nsg_cluster.fields.nerf import WorldNerf
from nsg_cluster.fields.radiance import HashRadianceField

__all__ = ["BackgroundField", "EmptyBackground", "HashBackground", "NerfBackground"]


class BackgroundField(nn.Module, ABC):
    """What computes the background."""

    @abstractmethod
    def forward(
        self,
        positions: Float[Tensor, "points 3"],
        rays: Int[Tensor, " points"],
        directions: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density per scene unit, and color, at points of rays that look along unit directions."""

    @abstractmethod
    def density(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
        """Return the density alone."""


class NerfBackground(WorldNerf, BackgroundField):
    """NeRF's network in world coordinates, moved and scaled."""

    def forward(
        self,
        positions: Float[Tensor, "points 3"],
        rays: Int[Tensor, " points"],
        directions: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density and color."""
        density, features = self.geometry(positions, generator=generator)
        return density, self.color(features, self.encode_directions(directions), rays)


class HashBackground(BackgroundField):
    """A hash field."""

    def __init__(self, field: HashRadianceField) -> None:
        """Take over a field."""
        super().__init__()
        self.field = field

    def forward(
        self,
        positions: Float[Tensor, "points 3"],
        rays: Int[Tensor, " points"],
        directions: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density and color."""
        del generator
        density, features = self.field.geometry(positions)
        return density, self.field.color(features, self.field.encode_directions(directions)[rays])

    def density(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
        """Return the density alone."""
        return self.field.density(positions)


class EmptyBackground(BackgroundField):
    """Nothing: of scenes that have objects alone."""

    def forward(
        self,
        positions: Float[Tensor, "points 3"],
        rays: Int[Tensor, " points"],
        directions: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return no density, and black."""
        del rays, directions, generator
        return self.density(positions), torch.zeros_like(positions)

    def density(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
        """Return no density."""
        return torch.zeros_like(positions[:, 0])
