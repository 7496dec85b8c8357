"""Tensors that travel together: rays, and the intervals sampled on them.

World frame: right-handed, lengths in scene units. ``directions`` have unit length, so ``t`` is the distance from the
origin along the ray. Samples of all rays lie packed one after another, in ray order: those of ray ``i`` are
``offsets[i]:offsets[i + 1]``; a ray may have none.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Histogram", "RaySamples", "Rays", "midpoints"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rays:
    """Half-lines through pixels."""

    origins: Float[Tensor, "rays 3"]
    """Camera centers, in world coordinates."""
    directions: Float[Tensor, "rays 3"]
    """Unit vectors, in world coordinates."""
    radii: Float[Tensor, " rays"]
    """Radius of the pixel's cone at distance 1 (mip-NeRF, section 3.1: pixel width times 2/sqrt(12))."""
    images: Int[Tensor, " rays"]
    """Index of the image, within its split, that each ray belongs to."""
    frames: Int[Tensor, " rays"] | None = None
    """Moment at which each ray is seen, as an index of the frames of a scene that moves; None where nothing moves."""
    views: Float[Tensor, "rays 3"] | None = None
    """Unit vectors along which color is asked for, where the rays run through another space than the cameras' own."""

    stops: Float[Tensor, " rays"] | None = None
    """Exposure of each ray's image, as the data set tells it: doublings over the usual one; None where none is told."""

    @property
    def view_directions(self) -> Float[Tensor, "rays 3"]:
        """Unit vectors along which color is asked for."""
        return self.directions if self.views is None else self.views

    def __len__(self) -> int:
        """Return the number of rays."""
        return self.origins.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Rays:
        """Return the selected rays."""
        return Rays(
            origins=self.origins[index],
            directions=self.directions[index],
            radii=self.radii[index],
            images=self.images[index],
            frames=None if self.frames is None else self.frames[index],
            views=None if self.views is None else self.views[index],
            stops=None if self.stops is None else self.stops[index],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RaySamples:
    """Intervals on rays, packed in ray order."""

    starts: Float[Tensor, " samples"]
    """Distance at which each interval begins."""
    ends: Float[Tensor, " samples"]
    """Distance at which each interval ends."""
    rays: Int[Tensor, " samples"]
    """Index of the ray of each interval; never decreases."""
    offsets: Int[Tensor, " rays_plus_one"]
    """First interval of each ray, and the total at the end."""
    are_points: bool = False
    """The field is evaluated where intervals start, not in their middle; each ends where the next one starts."""

    def __len__(self) -> int:
        """Return the number of intervals of all rays."""
        return self.starts.shape[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Weights of intervals that follow one another, equally many on every ray, in normalized distance 0 to 1."""

    edges: Float[Tensor, "rays edges"]
    """Ends of the intervals, in order."""
    weights: Float[Tensor, "rays bins"]
    """Share of each interval in its ray's color."""


def midpoints(
    rays: Rays, samples: RaySamples, chosen: Int[Tensor, " chosen"] | slice = slice(None)
) -> Float[Tensor, "chosen 3"]:
    """Return the middle of intervals (of points: their place), in world coordinates; differentiable in the rays."""
    middle = samples.starts[chosen] if samples.are_points else (samples.starts[chosen] + samples.ends[chosen]) / 2
    owners = samples.rays[chosen]
    return rays.origins[owners] + middle[:, None] * rays.directions[owners]
