"""mip-NeRF and mip-NeRF 360: rays are cones, and networks are told how much of space an interval stands for.

Barron et al., mip-NeRF, https://arxiv.org/abs/2103.13415: one network renders twice, the second time where the first
has found something. mip-NeRF 360, https://arxiv.org/abs/2111.12077: small networks propose, a large one renders once,
and space is contracted.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nsg_cluster.fields.mip import MipRadianceField, MipReflectingField
from nsg_cluster.geometry.normals import unit_normals
from nsg_cluster.geometry.rays import Histogram, Rays, RaySamples
from nsg_cluster.geometry.warps import Spacing
from nsg_cluster.models.base import Model
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.render.rendering import Materials, Rendering, SampleNormals
from nsg_cluster.render.volume import render_samples
from nsg_cluster.sampling.base import limits
from nsg_cluster.sampling.cones import blurred, intervals_on_rays, resampled_edges, stratified_edges
from nsg_cluster.sampling.proposal import ProposalSampler

__all__ = ["MipNerf", "MipNerf360"]


class MipNerf360(Model):
    """Proposals, then one network."""

    def __init__(
        self,
        field: MipRadianceField,
        sampler: ProposalSampler,
        per_image: PerImage,
        *,
        near: float,
        far: float,
        is_opaque: bool,
        trains_normals: bool = False,
    ) -> None:
        """Put the parts together.

        Args:
            field: Density and color of intervals.
            sampler: What proposes intervals.
            per_image: What is learned about each training image.
            near: Distance along a ray before which nothing is seen.
            far: Distance along a ray beyond which nothing is seen.
            is_opaque: The last interval of a ray lets no light through: the scene has no background but itself.
            trains_normals: Whether training is told normals.
        """
        super().__init__()
        self.field, self.sampler, self.per_image = field, sampler, per_image
        self.near, self.far, self.is_opaque, self.trains_normals = near, far, is_opaque, trains_normals

    def render_rays(
        self,
        rays: Rays,
        *,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
        transmittance_threshold: float = 0.0,
    ) -> Rendering:
        """Render rays over a background."""
        del transmittance_threshold
        rays = self.per_image.corrected(rays)
        placed = self.sampler.place(rays, near=self.near, far=self.far, generator=generator)
        assert placed.edges is not None, "proposals have edges"
        density, color, normals = _evaluated(
            self.field,
            rays,
            placed.samples,
            with_normals=self.training and self.trains_normals,
            noise=generator if self.training else None,
        )
        if self.is_opaque:
            density = _opaque_end(density, placed.samples)
        rendering = render_samples(placed.samples, density, color, background=background)
        found = Histogram(edges=placed.edges, weights=rendering.weights.view(len(rays), -1))
        return replace(rendering, histograms=(*placed.proposals, found), normals=normals)

    def probe(
        self, positions: Float[Tensor, "points 3"], directions: Float[Tensor, "points 3"]
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density and color at points, not at cones."""
        return self.field.at_points(positions, directions)

    def density_slopes(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the gradient of the density of intervals, in world coordinates."""
        return self.field.slopes(rays, samples)

    def normals(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the predicted normals of intervals where normals are predicted, those of the density elsewhere."""
        predicted = self.field.predicted_normals(rays, samples)
        return super().normals(rays, samples) if predicted is None else predicted

    def materials(self, rays: Rays, samples: RaySamples) -> Materials:
        """Return what the surfaces of intervals are made of, with ``model.field.reflections``."""
        return _materials(self.field, rays, samples)

    def before_step(self, step: int, generator: Generator) -> None:
        """Anneal the proposals."""
        del generator
        self.sampler.anneal(step)

    def figures(self) -> dict[str, float]:
        """Return numbers for the events."""
        return self.sampler.figures()


class MipNerf(Model):
    """One network, two passes."""

    def __init__(
        self,
        field: MipRadianceField,
        per_image: PerImage,
        *,
        near: float,
        far: float,
        samples: int,
        spacing: Spacing,
        padding: float,
        trains_normals: bool = False,
    ) -> None:
        """Put the parts together.

        Args:
            field: Density and color of intervals, in both passes.
            per_image: What is learned about each training image.
            near: Distance along a ray before which nothing is seen.
            far: Distance along a ray beyond which nothing is seen.
            samples: Intervals on each ray, in each pass.
            spacing: Those of the first pass are equal in distance (``linear``) or in its inverse (``disparity``).
            padding: Added to each weight before the second pass is placed.
            trains_normals: Whether training is told normals.
        """
        super().__init__()
        self.field, self.per_image = field, per_image
        self.near, self.far, self.samples, self.spacing, self.padding = near, far, samples, spacing, padding
        self.trains_normals = trains_normals

    def render_rays(
        self,
        rays: Rays,
        *,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
        transmittance_threshold: float = 0.0,
    ) -> Rendering:
        """Render rays over a background, twice."""
        del transmittance_threshold
        rays = self.per_image.corrected(rays)
        near, far = limits(rays, None, near=self.near, far=self.far)
        edges = stratified_edges(near, far, self.samples, spacing=self.spacing, generator=generator)
        noise = generator if self.training else None
        first, _ = self._pass(rays, edges, background, with_normals=False, noise=noise)
        weights = blurred(first.weights.detach().view(len(rays), -1)) + self.padding
        edges = resampled_edges(edges, weights, generator=generator)
        trains = self.training and self.trains_normals
        second, normals = self._pass(rays, edges, background, with_normals=trains, noise=noise)
        return replace(second, coarse=first.color, normals=normals)

    def probe(
        self, positions: Float[Tensor, "points 3"], directions: Float[Tensor, "points 3"]
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density and color at points, not at cones."""
        return self.field.at_points(positions, directions)

    def density_slopes(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the gradient of the density of intervals, in world coordinates."""
        return self.field.slopes(rays, samples)

    def normals(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the predicted normals of intervals where normals are predicted, those of the density elsewhere."""
        predicted = self.field.predicted_normals(rays, samples)
        return super().normals(rays, samples) if predicted is None else predicted

    def materials(self, rays: Rays, samples: RaySamples) -> Materials:
        """Return what the surfaces of intervals are made of, with ``model.field.reflections``."""
        return _materials(self.field, rays, samples)

    def _pass(
        self,
        rays: Rays,
        edges: Float[Tensor, "rays edges"],
        background: Float[Tensor, "rays 3"],
        *,
        with_normals: bool,
        noise: Generator | None,
    ) -> tuple[Rendering, SampleNormals | None]:
        samples = intervals_on_rays(edges)
        density, color, normals = _evaluated(self.field, rays, samples, with_normals=with_normals, noise=noise)
        return render_samples(samples, density, color, background=background), normals


def _evaluated(
    field: MipRadianceField, rays: Rays, samples: RaySamples, *, with_normals: bool, noise: Generator | None
) -> tuple[Float[Tensor, " samples"], Float[Tensor, "samples 3"], SampleNormals | None]:
    """Return density and color of intervals, and their normals where these are asked for.

    Args:
        field: What is evaluated.
        rays: Rays.
        samples: Their intervals.
        with_normals: Whether normals are asked for.
        noise: Source of the density's noise; none without it.
    """
    if not with_normals:
        return *field(rays, samples, generator=noise), None
    density, color, slopes, predicted = field.with_normals(rays, samples, generator=noise)
    of_density = unit_normals(slopes)
    normals = of_density if predicted is None else predicted
    return (
        density,
        color,
        SampleNormals(
            along=(normals * rays.directions[samples.rays]).sum(dim=1),
            mismatch=None if predicted is None else (of_density - predicted).square().sum(dim=1),
        ),
    )


def _materials(field: MipRadianceField, rays: Rays, samples: RaySamples) -> Materials:
    assert isinstance(field, MipReflectingField), "the configuration has asked for reflections"
    diffuse, reflected, roughness = field.materials(rays, samples)
    return Materials(diffuse=diffuse, reflected=reflected, roughness=roughness)


def _opaque_end(density: Float[Tensor, " samples"], samples: RaySamples) -> Float[Tensor, " samples"]:
    """Return densities with which the last interval of each ray lets no light through that counts."""
    last = samples.offsets[1:] - 1
    lengths = samples.ends[last] - samples.starts[last]
    solid = -math.log(torch.finfo(density.dtype).eps) / lengths.clamp(min=1e-12)
    return density.index_put((last,), torch.maximum(density[last], solid))
