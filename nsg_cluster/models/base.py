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

__all__ = ["HasNormals", "Model", "RadianceModel", "Rendering", "SampleNormals", "slopes_at", "unit_normals"]

_TINY = 1e-20


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleNormals:
    """Normals of samples, as training asks for them."""

    along: Float[Tensor, " samples"]
    """Cosine of the angle between ray and normal: more than 0 for a surface that is seen from behind."""
    mismatch: Float[Tensor, " samples"] | None = None
    """Squared distance between the normal that is predicted and that of the density, where normals are predicted."""


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
    normals: SampleNormals | None = None
    """In training, where the model has been asked to train them."""
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
    """What knows how its surfaces are turned."""

    def normals(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the unit normal of the surface that samples lie on, in world coordinates; 0 where there is none."""
        ...


def slopes_at(
    density: Callable[[Float[Tensor, "points 3"]], Float[Tensor, " points"]], positions: Float[Tensor, "points 3"]
) -> Float[Tensor, "points 3"]:
    """Return the gradient of a density at positions, by automatic differentiation; a constant."""
    places = positions.detach().requires_grad_()
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(density(places).sum(), places)
    return slopes


def unit_normals(slopes: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """Return the directions in which densities fall quickest, given their gradients; 0 where they are even."""
    # The slope of a norm is not finite at 0.
    normals: Tensor = -slopes / slopes.square().sum(dim=1, keepdim=True).clamp(min=_TINY).sqrt()
    return normals


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
