"""What training, evaluation and rendering ask of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from nsg_cluster.core.errors import ConfigError
from nsg_cluster.fields.mlp import set_precision
from nsg_cluster.geometry.rays import Histogram, Rays, RaySamples, midpoints
from nsg_cluster.models.per_image import PerImage

__all__ = ["HasNormals", "Model", "RadianceModel", "Rendering", "slopes_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Rays, rendered."""

    color: Float[Tensor, "rays 3"]
    """Linear combination of sample colors and background, 0 to 1 as the images are (no conversion of color space)."""
    opacity: Float[Tensor, " rays"]
    """Sum of the sample weights, 0 to 1."""
    depth: Float[Tensor, " rays"]
    """Expected distance along the ray given that it is stopped, in scene units; 0 where opacity is 0."""
    samples: RaySamples
    """The intervals at which the field was evaluated."""
    weights: Float[Tensor, " samples"]
    """Share of each interval in its ray's color."""
    histograms: tuple[Histogram, ...] = ()
    """Where samples come from proposals: those of each round, and last what the field found."""
    coarse: Float[Tensor, "rays 3"] | None = None
    """Color that a coarse network gives, where there is one to be trained as well."""
    node_opacity: Float[Tensor, "rays nodes"] | None = None
    """Share of each node of a scene graph: the background's first, then the objects'; in evaluation mode."""


@runtime_checkable
class RadianceModel(Protocol):
    """What renders rays; ``training`` tells training from evaluation."""

    def render_rays(
        self,
        rays: Rays,
        *,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
        transmittance_threshold: float = 0.0,
    ) -> Rendering:
        """Render rays over a background.

        Args:
            rays: What to render.
            background: Color behind each ray.
            generator: Source of the jitter; without one samples stand at fixed places.
            transmittance_threshold: A ray ends where less than this fraction of its light is left.
        """
        ...

    def before_step(self, step: int, generator: Generator) -> None:
        """Do what is due before an optimizer step: occupancy, annealing."""
        ...

    def figures(self) -> dict[str, float]:
        """Return numbers for the events."""
        ...


@runtime_checkable
class HasNormals(Protocol):
    """What knows how its density changes from place to place."""

    def density_slopes(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the gradient of the density where samples are, in world coordinates."""
        ...


def slopes_at(
    density: Callable[[Float[Tensor, "points 3"]], Float[Tensor, " points"]], positions: Float[Tensor, "points 3"]
) -> Float[Tensor, "points 3"]:
    """Return the gradient of a density at positions, by automatic differentiation; a constant."""
    places = positions.detach().requires_grad_()
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(density(places).sum(), places)
    return slopes


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
            "model.kind: what is at a point of this model depends on the moment, so it has no mesh and no normals"
        )

    def density_slopes(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the gradient of the density where samples are, in world coordinates: see `HasNormals`.

        Raises:
            ConfigError: What is at a point depends on the moment.
        """
        directions = rays.view_directions[samples.rays]
        return slopes_at(lambda positions: self.probe(positions, directions)[0], midpoints(rays, samples))

    def regularizers(self) -> dict[str, Float[Tensor, ""]]:
        """Return by name what the loss may ask to be small whatever the rays; without weights."""
        return {}

    def set_precision(self, precision: torch.dtype) -> None:
        """Let the networks compute in a dtype."""
        set_precision(self, precision)
