"""What a model asks of whatever decides where its field is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nsg_cluster.geometry.rays import Histogram, Rays, RaySamples
from nsg_cluster.ops.march import intersect_box

__all__ = ["Density", "IntervalDensity", "Placement", "Sampler", "limits"]

Density = Callable[[Float[Tensor, "points 3"]], Float[Tensor, " points"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where to evaluate the field; nothing of it has a gradient but the weights of the proposals."""

    samples: RaySamples
    """The intervals."""
    edges: Float[Tensor, "rays edges"] | None = None
    """The same in normalized distance, where every ray has equally many."""
    proposals: tuple[Histogram, ...] = ()
    """What led there."""


@runtime_checkable
class IntervalDensity(Protocol):
    """A ``torch.nn.Module`` that gives the density of intervals."""

    def along(self, rays: Rays, samples: RaySamples) -> Float[Tensor, " samples"]:
        """Return the density of intervals, per scene unit."""
        ...


@runtime_checkable
class Sampler(Protocol):
    """A ``torch.nn.Module`` that places samples on rays; ``training`` tells training from evaluation."""

    def place(self, rays: Rays, *, near: float, far: float, generator: Generator | None = None) -> Placement:
        """Place samples between two distances, with the jitter of a generator; at fixed places without one."""
        ...

    def before_step(self, step: int, density: Density, generator: Generator) -> None:
        """Do what is due before an optimizer step, given the field's density."""
        ...

    def figures(self) -> dict[str, float]:
        """Return numbers for the events."""
        ...


def limits(
    rays: Rays, region: Float[Tensor, "2 3"] | None, *, near: float, far: float
) -> tuple[Float[Tensor, " rays"], Float[Tensor, " rays"]]:
    """Return where rays are between two distances and inside a box, if there is one; equal for a ray that never is."""
    if region is None:
        entry = torch.full_like(rays.radii, near)
        return entry, torch.full_like(entry, far)
    entry, leave = intersect_box(rays.origins.detach(), rays.directions.detach(), region)
    entry = entry.clamp(min=near)
    return entry, torch.maximum(leave.clamp(max=far), entry)
