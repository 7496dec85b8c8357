"""Instant-NGP: one hash field and the occupancy grid that tells where to evaluate it.

Müller et al., "Instant Neural Graphics Primitives with a Multiresolution Hash Encoding",
https://arxiv.org/abs/2201.05989. Rays are clipped to the scene box and to the range from ``near`` to ``far``.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from nsg_cluster.config.schema import InstantNgpConfig
from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.fields.radiance import HashRadianceField
from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.models.base import Rendering
from nsg_cluster.ops.encode import HashGridLayout
from nsg_cluster.render.volume import keep_samples, render_in_rounds, render_samples, visible
from nsg_cluster.sampling.occupancy import OccupancyGrid

__all__ = ["InstantNgp"]


class InstantNgp(nn.Module):
    """Hash grid, two small networks, occupancy grid."""

    def __init__(self, config: InstantNgpConfig, box: Float[Tensor, "2 3"], *, near: float, far: float) -> None:
        """Draw initial weights from torch's global generator.

        Args:
            config: Sizes.
            box: Lower and upper corner of the scene.
            near: Distance along a ray before which nothing is seen.
            far: Distance along a ray beyond which nothing is seen.
        """
        super().__init__()
        self.config, self.near, self.far = config, near, far
        grid = config.hash_grid
        layout = HashGridLayout(
            levels=grid.levels,
            features=grid.features,
            log2_table_size=grid.log2_table_size,
            base_resolution=grid.base_resolution,
            max_resolution=grid.max_resolution,
        )
        self.field = HashRadianceField(
            HashGrid(layout),
            box,
            hidden_width=config.hidden_width,
            density_hidden_layers=config.density_hidden_layers,
            color_hidden_layers=config.color_hidden_layers,
            geometry_features=config.geometry_features,
            direction_degree=config.direction_degree,
        )
        self.occupancy = OccupancyGrid(
            box,
            resolution=config.occupancy.resolution,
            step=float((box[1] - box[0]).norm()) / config.steps_per_diagonal,
            decay=config.occupancy.decay,
            threshold=config.occupancy.threshold,
        )

    def render_rays(
        self,
        rays: Rays,
        *,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
        transmittance_threshold: float = 0.0,
    ) -> Rendering:
        """Render rays over a background: all samples with gradients in training, front to back in evaluation."""
        jitter = None
        if generator is not None:
            jitter = torch.rand(len(rays), generator=generator, device=generator.device).to(rays.origins.device)
        samples = self.occupancy.march(rays, near=self.near, far=self.far, jitter=jitter)
        directions = self.field.encode_directions(rays.directions)
        if self.training:
            return self._render_for_gradients(rays, samples, directions, background, transmittance_threshold)

        def evaluate(chosen: Int[Tensor, " chosen"]) -> tuple[Tensor, Tensor]:
            densities, features = self.field.geometry(_midpoints(rays, samples, chosen))
            return densities, self.field.color(features, directions[samples.rays[chosen]])

        with torch.no_grad():
            return render_in_rounds(
                samples, evaluate, background=background, transmittance_threshold=transmittance_threshold
            )

    def before_step(self, step: int, generator: Generator) -> None:
        """Update the occupancy grid where it is due: all cells during the warm-up, some of them later."""
        occupancy = self.config.occupancy
        if step > 0 and step % occupancy.update_every == 0:
            self.occupancy.update(self.field.density, generator, every_cell=step <= occupancy.warmup_steps)

    def _render_for_gradients(
        self,
        rays: Rays,
        samples: RaySamples,
        directions: Float[Tensor, "rays harmonics"],
        background: Float[Tensor, "rays 3"],
        transmittance_threshold: float,
    ) -> Rendering:
        """Evaluate densities first, and with gradients only what light reaches."""
        if transmittance_threshold > 0:
            with torch.no_grad():
                densities = self.field.density(_midpoints(rays, samples))
                samples = keep_samples(samples, visible(samples, densities, transmittance_threshold))
        densities, features = self.field.geometry(_midpoints(rays, samples))
        colors = self.field.color(features, directions[samples.rays])
        return render_samples(samples, densities, colors, background=background)


def _midpoints(
    rays: Rays, samples: RaySamples, chosen: Int[Tensor, " chosen"] | slice = slice(None)
) -> Float[Tensor, "chosen 3"]:
    """Return the middle of samples, in world coordinates."""
    middle = (samples.starts[chosen] + samples.ends[chosen]) / 2
    owners = samples.rays[chosen]
    return rays.origins[owners] + middle[:, None] * rays.directions[owners]
