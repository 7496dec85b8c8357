"""What comes of rendering rays, and what is asked of a model to render them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Generator, Tensor

from nsg_cluster.geometry.rays import Histogram, Rays, RaySamples

__all__ = ["HasMaterials", "HasNormals", "Materials", "RadianceModel", "Rendering", "SampleNormals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleNormals:
    """Normals of samples, as training asks for them."""

    along: Float[Tensor, " samples"]
    """Cosine of the angle between ray and normal: more than 0 for a surface that is seen from behind."""
    mismatch: Float[Tensor, " samples"] | None = None
    """Squared distance between the normal that is predicted and that of the density, where normals are predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """What surfaces are made of."""

    diffuse: Float[Tensor, "*shape 3"]
    """Color that they send to every side, as images would store it alone."""
    reflected: Float[Tensor, "*shape 3"]
    """Color that they reflect to the camera, as images would store it alone."""
    roughness: Float[Tensor, "*shape"]
    """How far reflected directions spread: 0 for a mirror."""


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


@runtime_checkable
class HasMaterials(Protocol):
    """What tells the light that surfaces reflect from their own."""

    def materials(self, rays: Rays, samples: RaySamples) -> Materials:
        """Return what the surfaces are made of that samples lie on."""
        ...
