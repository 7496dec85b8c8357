"""One field, and a sampler that tells where to evaluate it: whatever the field, whatever the sampler.

Rays are clipped to what is modeled and to the range from ``near`` to ``far``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from nsg_cluster.fields.tone import ToneCurves
from nsg_cluster.geometry.normals import slopes_at
from nsg_cluster.geometry.rays import Histogram, Rays, RaySamples, midpoints
from nsg_cluster.models.base import Model
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.render.rendering import Rendering
from nsg_cluster.render.volume import keep_samples, render_in_rounds, render_samples, visible
from nsg_cluster.sampling.base import Sampler

__all__ = ["OneField", "RadianceField"]


@runtime_checkable
class RadianceField(Protocol):
    """A ``torch.nn.Module`` that gives density per scene unit, and color, at positions of the world."""

    def geometry(
        self, positions: Float[Tensor, "points 3"]
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points features"]]:
        """Return the density and what the color depends on at each position."""
        ...

    def density(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
        """Return the density alone."""
        ...

    def encode_directions(
        self, directions: Float[Tensor, "rays 3"], appearance: Float[Tensor, "rays looks"] | None = None
    ) -> Float[Tensor, "rays width"]:
        """Return what colors depend on beside that, for each ray."""
        ...

    def color(
        self,
        features: Float[Tensor, "points features"],
        encoded: Float[Tensor, "rays width"],
        rays: Int[Tensor, " points"] | None = None,
    ) -> Float[Tensor, "points 3"]:
        """Return colors from 0 to 1; without ``rays`` each point has a ray of its own."""
        ...


class OneField(Model):
    """A field, a sampler, and what is learned about each image."""

    sampler: Sampler
    field: RadianceField

    def __init__(
        self,
        field: RadianceField,
        sampler: Sampler,
        per_image: PerImage,
        *,
        near: float,
        far: float,
        tone: ToneCurves | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            field: Density and color.
            sampler: Where to evaluate them.
            per_image: What is learned about each training image.
            near: Distance along a ray before which nothing is seen.
            far: Distance along a ray beyond which nothing is seen.
            tone: What a camera makes of the radiance that the field gives; None for a field that gives colors.
        """
        super().__init__()
        self.near, self.far = near, far
        self.field, self.sampler, self.per_image, self.tone = field, sampler, per_image, tone

    def render_rays(
        self,
        rays: Rays,
        *,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
        transmittance_threshold: float = 0.0,
    ) -> Rendering:
        """Render rays over a background: all samples with gradients in training, front to back in evaluation."""
        rays = self.per_image.corrected(rays)
        if self.training:
            return self._render_for_gradients(rays, background, generator, transmittance_threshold)
        with torch.no_grad():
            placed = self.sampler.place(rays, near=self.near, far=self.far, generator=generator)
            encoded = self.field.encode_directions(rays.view_directions, self.per_image.appearance(rays))

            def evaluate(chosen: Int[Tensor, " chosen"]) -> tuple[Tensor, Tensor]:
                densities, features = self.field.geometry(midpoints(rays, placed.samples, chosen))
                owners = placed.samples.rays[chosen]
                return densities, self._toned(self.field.color(features, encoded, owners), rays, owners)

            return render_in_rounds(
                placed.samples, evaluate, background=background, transmittance_threshold=transmittance_threshold
            )

    def before_step(self, step: int, generator: Generator) -> None:
        """Let the sampler do what is due before an optimizer step."""
        self.sampler.before_step(step, self.field.density, generator)

    def probe(
        self, positions: Float[Tensor, "points 3"], directions: Float[Tensor, "points 3"]
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density and color at points, by the mean look of the training images."""
        density, features = self.field.geometry(positions)
        looks = None if self.per_image.looks is None else self.per_image.looks.mean(0).expand(len(positions), -1)
        color = self.field.color(features, self.field.encode_directions(directions, looks))
        return density, color if self.tone is None else self.tone(color, None)

    def density_slopes(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the gradient of the density where samples are, in world coordinates."""
        return slopes_at(self.field.density, midpoints(rays, samples))

    def figures(self) -> dict[str, float]:
        """Return numbers for the events."""
        return self.sampler.figures()

    def _toned(
        self, colors: Float[Tensor, "points 3"], rays: Rays, owners: Int[Tensor, " points"]
    ) -> Float[Tensor, "points 3"]:
        """Return what the camera shows of what the field gives, at the exposure of each ray's image."""
        if self.tone is None:
            return colors
        toned: Tensor = self.tone(colors, None if rays.stops is None else rays.stops[owners])
        return toned

    def _render_for_gradients(
        self,
        rays: Rays,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None,
        transmittance_threshold: float,
    ) -> Rendering:
        """Evaluate densities first where samples are many, and with gradients only what light reaches."""
        placed = self.sampler.place(rays, near=self.near, far=self.far, generator=generator)
        samples = placed.samples
        if transmittance_threshold > 0 and placed.edges is None:
            with torch.no_grad():
                densities = self.field.density(midpoints(rays, samples))
                samples = keep_samples(samples, visible(samples, densities, transmittance_threshold))
        densities, features = self.field.geometry(midpoints(rays, samples))
        encoded = self.field.encode_directions(rays.view_directions, self.per_image.appearance(rays))
        colors = self._toned(self.field.color(features, encoded, samples.rays), rays, samples.rays)
        gains = self.per_image.gains(rays)
        if gains is not None:
            colors = colors * gains[samples.rays]
        rendering = render_samples(samples, densities, colors, background=background)
        if placed.edges is None:
            return rendering
        found = Histogram(edges=placed.edges, weights=rendering.weights.view(len(rays), -1))
        return replace(rendering, histograms=(*placed.proposals, found))
