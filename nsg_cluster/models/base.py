"""What every ``model.kind`` is, and what it can say beside rendering rays."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from nsg_cluster.core.errors import ConfigError
from nsg_cluster.fields.mlp import set_precision
from nsg_cluster.geometry.normals import slopes_at, unit_normals
from nsg_cluster.geometry.rays import Rays, RaySamples, midpoints
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.render.rendering import Rendering

__all__ = ["Model"]


class Model(nn.Module, ABC):
    """A model that can be trained: what every ``model.kind`` is."""

    per_image: PerImage
    """What is learned about each training image."""

    @abstractmethod
    def render_rays(
        self,
        rays: Rays,
        *,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
        transmittance_threshold: float = 0.0,
    ) -> Rendering:
        """Render rays over a background: see `RadianceModel`."""

    def before_step(self, step: int, generator: Generator) -> None:
        """Do what is due before an optimizer step."""

    def figures(self) -> dict[str, float]:
        """Return numbers for the events."""
        return {}

    def probe(
        self, positions: Float[Tensor, "points 3"], directions: Float[Tensor, "points 3"]
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density per scene unit, and color, at points of the world seen along unit directions.

        Raises:
            ConfigError: What is at a point depends on the moment.
        """
        del positions, directions
        raise ConfigError(
            "model.kind: what is at a point of this model depends on time, so it has no mesh and no normals"
        )

    def density_slopes(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the gradient of the density where samples are, in world coordinates.

        Raises:
            ConfigError: What is at a point depends on the moment.
        """
        directions = rays.view_directions[samples.rays]
        return slopes_at(lambda positions: self.probe(positions, directions)[0], midpoints(rays, samples))

    def normals(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the unit normal of the surface that samples lie on: density falls quickest along it.

        Verbin et al., Ref-NeRF, https://arxiv.org/abs/2112.03907, eq. 3.

        Raises:
            ConfigError: What is at a point depends on the moment.
        """
        return unit_normals(self.density_slopes(rays, samples))

    def regularizers(self) -> dict[str, Float[Tensor, ""]]:
        """Return by name what the loss may ask to be small whatever the rays; without weights."""
        return {}

    def set_precision(self, precision: torch.dtype) -> None:
        """Let the networks compute in a dtype."""
        set_precision(self, precision)
