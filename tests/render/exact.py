"""A model that knows the toybox: what a perfect training would arrive at, up to antialiasing."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from nsg_cluster.data.procedural.toybox import toybox, trace, trace_normals
from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.render.rendering import Rendering

__all__ = ["ExactToybox"]


class ExactToybox(nn.Module):
    """Ray traces the toybox; remembers how many rays each call had and with which threshold."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []
        self.thresholds: set[float] = set()

    def render_rays(
        self,
        rays: Rays,
        *,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
        transmittance_threshold: float = 0.0,
    ) -> Rendering:
        self.calls.append(len(rays))
        self.thresholds.add(transmittance_threshold)
        distance, color = trace(toybox(), rays.origins.double().numpy(), rays.directions.double().numpy())
        depth = torch.from_numpy(distance).float()
        seen = depth.isfinite()
        found = torch.nonzero(seen)[:, 0]
        return Rendering(
            color=torch.where(seen[:, None], torch.from_numpy(color).float(), background),
            opacity=seen.float(),
            depth=depth.where(seen, torch.zeros(())),
            samples=RaySamples(
                starts=depth[found],
                ends=depth[found],
                rays=found,
                offsets=torch.cat([torch.zeros(1, dtype=torch.long), seen.cumsum(0)]),
            ),
            weights=torch.ones(len(found)),
        )

    def normals(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        origins, directions = (each[samples.rays].double().numpy() for each in (rays.origins, rays.directions))
        return torch.from_numpy(trace_normals(toybox(), origins, directions)).float()

    def before_step(self, step: int, generator: Generator) -> None:
        """Nothing is due."""

    def figures(self) -> dict[str, float]:
        return {}
