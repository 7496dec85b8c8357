"""NeRF: a coarse network tells where a fine one is worth evaluating; with time, both are told the moment.

Mildenhall et al., NeRF, https://arxiv.org/abs/2003.08934. The moment of a ray runs from -1 at the first frame to 1 at
the last, and is encoded as positions are: the baseline "NeRF + Time" of Ost et al., https://arxiv.org/abs/2011.10379.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nsg_cluster.fields.grouped import Common
from nsg_cluster.fields.nerf import NerfField, encode
from nsg_cluster.geometry.rays import Rays, midpoints
from nsg_cluster.models.base import Model
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.render.rendering import Rendering
from nsg_cluster.render.volume import render_samples
from nsg_cluster.sampling.stratified import StratifiedSampler, points_on_rays, refined

__all__ = ["Nerf"]


class Nerf(Model):
    """One or two networks of the same shape."""

    center: Tensor

    def __init__(
        self,
        coarse: NerfField,
        fine: NerfField | None,
        sampler: StratifiedSampler,
        per_image: PerImage,
        *,
        near: float,
        far: float,
        fine_samples: int,
        center: Float[Tensor, " 3"],
        scale: float,
        direction_frequencies: int,
        time_frequencies: int | None,
        num_frames: int,
    ) -> None:
        """Put the parts together.

        Args:
            coarse: The network of the first pass.
            fine: That of the second; None for one pass alone.
            sampler: Where the first pass looks.
            per_image: What is learned about each training image.
            near: Distance along a ray before which nothing is seen.
            far: Distance along a ray beyond which nothing is seen.
            fine_samples: Samples that the second pass has in addition.
            center: Position that the networks take for 0.
            scale: Length that they take for 1.
            direction_frequencies: Frequencies of the encoded direction.
            time_frequencies: Frequencies of the encoded moment; None where the networks are not told it.
            num_frames: Frames of the scene.
        """
        super().__init__()
        self.coarse, self.fine, self.sampler, self.per_image = coarse, fine, sampler, per_image
        self.near, self.far, self.fine_samples, self.scale = near, far, fine_samples, scale
        self.direction_frequencies, self.time_frequencies = direction_frequencies, time_frequencies
        self.num_frames = num_frames
        self.register_buffer("center", center.clone(), persistent=False)

    def render_rays(
        self,
        rays: Rays,
        *,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
        transmittance_threshold: float = 0.0,
    ) -> Rendering:
        """Render rays over a background, in one pass or two."""
        del transmittance_threshold
        rays = self.per_image.corrected(rays)
        distances = self.sampler.distances(rays, near=self.near, far=self.far, generator=generator)
        first = self._pass(self.coarse, rays, distances, background, generator)
        if self.fine is None:
            return first
        weights = first.weights.view(len(rays), -1)
        more = refined(distances, weights, self.fine_samples, generator=generator)
        second = self._pass(self.fine, rays, more, background, generator)
        return replace(second, coarse=first.color)

    def probe(
        self, positions: Float[Tensor, "points 3"], directions: Float[Tensor, "points 3"]
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density and color at points, by the network of the last pass."""
        if self.time_frequencies is not None:
            return super().probe(positions, directions)
        field = self.coarse if self.fine is None else self.fine
        density, features = field.geometry((positions - self.center) / self.scale)
        owners = torch.arange(len(positions), device=positions.device)
        known = Common(values=encode(directions, self.direction_frequencies), owners=owners, groups=[len(positions)])
        return density / self.scale, field.color(features, known)

    def _pass(
        self,
        field: NerfField,
        rays: Rays,
        distances: Float[Tensor, "rays samples"],
        background: Float[Tensor, "rays 3"],
        generator: Generator | None,
    ) -> Rendering:
        samples = points_on_rays(distances)
        positions = (midpoints(rays, samples) - self.center) / self.scale
        density, features = field.geometry(
            positions, latents=self._moments(rays, samples.rays), generator=generator if self.training else None
        )
        known = Common(
            values=encode(rays.view_directions, self.direction_frequencies), owners=samples.rays, groups=[len(rays)]
        )
        return render_samples(samples, density / self.scale, field.color(features, known), background=background)

    def _moments(self, rays: Rays, owners: Tensor) -> Common | None:
        if self.time_frequencies is None:
            return None
        frames = torch.zeros_like(rays.images) if rays.frames is None else rays.frames
        moment = 2.0 * frames.to(rays.origins.dtype) / max(self.num_frames - 1, 1) - 1.0
        return Common(values=encode(moment[:, None], self.time_frequencies), owners=owners, groups=[len(rays)])
