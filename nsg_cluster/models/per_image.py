"""What is learned about each training image: its camera's pose, its exposure, its look.

In training mode rays belong to training images and get their numbers. In evaluation mode they belong to images that
were never seen: poses stay as they are, the gain is one, and the look is the mean of all training images.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nsg_cluster.geometry.cameras import Cameras
from nsg_cluster.geometry.rays import Rays
from nsg_cluster.geometry.rotations import rotated

__all__ = ["PerImage"]

_INITIAL_SPREAD = 0.1


class PerImage(nn.Module):
    """Tables with a row for each training image; what is not asked for is None."""

    def __init__(self, images: int, *, unit: float, appearance: int, exposure: bool, poses: bool) -> None:
        """Start from the given poses and equal exposures.

        Args:
            images: Number of training images.
            unit: Length of a shift of 1, in scene units.
            appearance: Numbers that describe a look; 0 for none.
            exposure: Whether images differ in exposure.
            poses: Whether poses are refined.
        """
        super().__init__()
        self.unit = unit
        self.looks = nn.Parameter(torch.randn(images, appearance) * _INITIAL_SPREAD) if appearance else None
        self.stops = nn.Parameter(torch.zeros(images, 3)) if exposure else None
        self.turns = nn.Parameter(torch.zeros(images, 3)) if poses else None
        self.shifts = nn.Parameter(torch.zeros(images, 3)) if poses else None

    def pose_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that move cameras."""
        return [table for table in (self.turns, self.shifts) if table is not None]

    def corrected(self, rays: Rays) -> Rays:
        """Return rays of the refined cameras: turned about each camera's center, in world axes, and shifted."""
        if self.turns is None or self.shifts is None or not self.training:
            return rays
        return replace(
            rays,
            origins=rays.origins + self.unit * self.shifts[rays.images],
            directions=rotated(rays.directions, self.turns[rays.images]),
        )

    @torch.no_grad()
    def refined(self, cameras: Cameras) -> Cameras:
        """Return the training cameras, refined."""
        if self.turns is None or self.shifts is None:
            return cameras
        axes = cameras.camera_to_world[:, :, :3].transpose(1, 2).flatten(0, 1)
        turned = rotated(axes, self.turns.repeat_interleave(3, dim=0)).view(-1, 3, 3).transpose(1, 2)
        position = cameras.camera_to_world[:, :, 3] + self.unit * self.shifts
        return replace(cameras, camera_to_world=torch.cat([turned, position[:, :, None]], dim=2))

    def appearance(self, rays: Rays) -> Float[Tensor, "rays looks"] | None:
        """Return the look of each ray's image."""
        if self.looks is None:
            return None
        return self.looks[rays.images] if self.training else self.looks.mean(0).expand(len(rays), -1)

    def gains(self, rays: Rays) -> Float[Tensor, "rays 3"] | None:
        """Return the factor of each color channel of each ray, or None where all are 1.

        Gains are powers of two whose exponents have mean zero over the training images: otherwise a darker scene seen
        at longer exposures would be the same, and held-out views, at gain 1, too dark.
        """
        if self.stops is None or not self.training:
            return None
        return torch.exp2(self.stops - self.stops.mean(0))[rays.images]
