"""Parallel planes across the road: the background samples of Neural Scene Graphs.

Plane ``k`` lies ``k delta`` beyond the first one along its normal ``n``. A ray is sampled where it meets the planes
that are next to its camera, and always on the last plane (Ost et al., https://arxiv.org/abs/2011.10379, supplement;
the constants are those of the authors' program). Meant for cameras that all look more or less along ``n``.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.sampling.base import Density, Placement

__all__ = ["FLATTEST", "PlaneSampler", "planes_of"]

FLATTEST = 0.05
"""Smallest cosine between a ray and the normal: a ray along the planes would meet them nowhere."""


class PlaneSampler(nn.Module):
    """Equally many samples on every ray, at fixed planes; no jitter."""

    origin: Tensor
    normal: Tensor
    spacing: Tensor
    last: Tensor

    def __init__(
        self, origin: Float[Tensor, " 3"], normal: Float[Tensor, " 3"], *, count: int, spacing: float, last: int
    ) -> None:
        """Lay the planes.

        Args:
            origin: A point on the first plane.
            normal: Unit vector that all planes are at right angles to.
            count: Samples on each ray.
            spacing: Distance of neighboring planes.
            last: Index of the plane on which every ray has its last sample.
        """
        super().__init__()
        self.count = count
        # Kept with the weights: the same network means something else on other planes.
        self.register_buffer("origin", origin.clone())
        self.register_buffer("normal", normal.clone())
        self.register_buffer("spacing", torch.tensor(spacing))
        self.register_buffer("last", torch.tensor(last))

    def place(self, rays: Rays, *, near: float, far: float, generator: Generator | None = None) -> Placement:
        """Place samples on the planes before each camera; the last plane takes the place of ``far``."""
        del far, generator
        origins, directions = rays.origins.detach(), rays.directions.detach()
        travelled = ((origins - self.origin) @ self.normal).clamp(min=-near)
        planes = torch.ceil((travelled + near) / self.spacing)[:, None] + torch.arange(
            self.count, device=origins.device, dtype=origins.dtype
        )
        planes[:, -1] = self.last
        to_origin = (self.origin - origins) @ self.normal
        slope = (directions @ self.normal).clamp(min=FLATTEST)
        distances = (to_origin[:, None] + planes * self.spacing) / slope[:, None]
        owners = torch.arange(len(rays), device=origins.device)
        return Placement(
            samples=RaySamples(
                starts=distances.flatten(),
                ends=distances.flatten(),
                rays=owners.repeat_interleave(self.count),
                offsets=torch.arange(len(rays) + 1, device=origins.device) * self.count,
                are_points=True,
            )
        )

    def before_step(self, step: int, density: Density, generator: Generator) -> None:
        """Do nothing: planes stay."""

    def figures(self) -> dict[str, float]:
        """Return nothing."""
        return {}


def planes_of(
    poses: Float[Tensor, "images 3 4"], *, near: float, far: float, count: int, extra: int | None = None
) -> PlaneSampler:
    """Return the planes for cameras that follow one another, in the order in which they were taken.

    The first plane stands ``near`` before the first camera, at right angles to its view; the spacing divides the range
    evenly, and behind the range are as many planes more as the last camera has passed.

    Args:
        poses: Camera to world, OpenGL axes.
        near: Distance of the first plane from the first camera.
        far: Distance of the last plane that the first camera sees.
        count: Samples on each ray.
        extra: Planes beyond those; by default enough for the whole way.
    """
    normal, origin = -poses[0, :, 2], poses[0, :, 3]
    normal = normal / normal.norm()
    spacing = (far - near) / max(count - 1, 1)
    if extra is None:
        steps = poses[1:, :, 3] - poses[:-1, :, 3]
        longest = float(steps.norm(dim=1).max()) if len(steps) else 0.0
        # A camera that stands still passes no plane.
        per_plane = int((far - near) / count / longest) if longest > 0 else len(poses)
        extra = math.ceil(len(poses) / max(per_plane, 1))
    return PlaneSampler(origin + near * normal, normal, count=count, spacing=spacing, last=count - 1 + extra + 1)
