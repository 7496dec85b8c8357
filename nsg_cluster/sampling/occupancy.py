"""The occupancy grid: which cells of a scene hold anything, so that rays skip the rest.

The optical thickness of a place is the field's density there times the shortest marching step. A cell keeps the largest
that was seen in it, fading by a factor at each update (Müller et al., https://arxiv.org/abs/2201.05989, appendix C).
The grid has one or more *cascades* of equally many cells: the first covers the box, each other one twice as much about
its middle. Cells are stored in Morton order, cascade after cascade; ``bits`` packs eight cells a byte.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.ops.march import march_occupancy, morton_decode, pack_bits, unpack_bits
from nsg_cluster.ops.occupancy import update_occupancy
from nsg_cluster.sampling.base import Density, Placement, limits

__all__ = ["OccupancyGrid", "OccupancySampler", "num_cascades", "scaled_box"]

UNSEEN = -1.0
"""Thickness of a cell that is empty for good."""


def scaled_box(box: Float[Tensor, "2 3"], factor: float) -> Float[Tensor, "2 3"]:
    """Return a box scaled about its middle."""
    center, half = (box[0] + box[1]) / 2, (box[1] - box[0]) / 2
    return torch.stack([center - factor * half, center + factor * half])


def num_cascades(bound: float) -> int:
    """Return how many cascades it takes to cover the box scaled by ``bound``."""
    return 1 + math.ceil(math.log2(bound))


class OccupancyGrid(nn.Module):
    """Marks occupied cells; at first every cell is occupied."""

    box: Tensor
    thickness: Tensor
    bits: Tensor

    def __init__(
        self,
        box: Float[Tensor, "2 3"],
        *,
        resolution: int,
        step: float,
        decay: float,
        threshold: float,
        cascades: int = 1,
    ) -> None:
        """Cover a box and its surroundings.

        Args:
            box: Lower and upper corner of the finest cascade.
            resolution: Cells along each side of a cascade.
            step: Length of the shortest marching step, in scene units.
            decay: Factor applied to a cell's memory at each update.
            threshold: Optical thickness of one step above which a cell is occupied in any case; below it, a cell is
                occupied if it exceeds the mean of all cells that hold anything.
            cascades: Number of cascades, 1 to 8.
        """
        super().__init__()
        self.resolution, self.step, self.decay, self.threshold = resolution, step, decay, threshold
        self.cascades = cascades
        cells = cascades * resolution**3
        self.register_buffer("box", box.clone(), persistent=False)
        self.register_buffer("thickness", torch.zeros(cells))
        self.register_buffer("bits", pack_bits(torch.ones(cells, dtype=torch.bool)))

    @property
    def occupied_share(self) -> float:
        """Share of the cells that are occupied."""
        return float(self._flags().float().mean())

    @torch.no_grad()
    def update(
        self, density: Density, generator: Generator, *, every_cell: bool, points_per_call: int = 1 << 18
    ) -> None:
        """Look at the field in one random point of many cells, and mark anew what is occupied.

        Args:
            density: Gives the density at positions.
            generator: Source of the random points.
            every_cell: Visit every cell; otherwise a quarter of the cells at random and as many of the occupied ones.
            points_per_call: Bounds the memory of one call of ``density``.
        """
        cells = self._all_cells() if every_cell else self._some_cells(generator)
        cells = cells[self.thickness[cells] >= 0]
        noise = torch.rand(len(cells), 3, generator=generator, device=generator.device).to(cells.device)
        parts = zip(torch.split(cells, points_per_call), torch.split(noise, points_per_call), strict=True)
        seen = [density(self._positions(*part)) for part in parts]
        if seen:
            self.thickness.copy_(update_occupancy(self.thickness, cells, torch.cat(seen) * self.step, self.decay))
        self._mark()

    @torch.no_grad()
    def forget(self, unseen: Bool[Tensor, " cells"]) -> None:
        """Make cells empty for good."""
        self.thickness[unseen] = UNSEEN
        self.bits.copy_(pack_bits(self.thickness >= 0))

    def centers(self) -> Float[Tensor, "cells 3"]:
        """Return the middle of every cell, in world coordinates."""
        return self._positions(self._all_cells(), self.box.new_full((1, 3), 0.5))

    def _positions(self, cells: Int[Tensor, " cells"], within: Float[Tensor, "_ 3"]) -> Float[Tensor, "cells 3"]:
        """Return places in cells; ``within`` goes from 0 to 1 along each side of a cell."""
        per_cascade = self.resolution**3
        places = (morton_decode(cells % per_cascade) + within) / self.resolution - 0.5
        factors = torch.exp2(torch.div(cells, per_cascade, rounding_mode="floor").to(places.dtype))
        return self.box.mean(0) + places * factors[:, None] * (self.box[1] - self.box[0])

    def _mark(self) -> None:
        positive = self.thickness[self.thickness > 0]
        mean = float(positive.mean()) if len(positive) > 0 else 0.0
        self.bits.copy_(pack_bits(self.thickness > min(mean, self.threshold)))

    def _all_cells(self) -> Int[Tensor, " cells"]:
        return torch.arange(len(self.thickness), device=self.thickness.device)

    def _some_cells(self, generator: Generator) -> Int[Tensor, " cells"]:
        """Return a quarter of all cells, drawn uniformly, and as many drawn from the occupied ones."""
        count, device = len(self.thickness) // 4, self.thickness.device
        anywhere = torch.randint(len(self.thickness), (count,), generator=generator, device=generator.device).to(device)
        occupied = torch.nonzero(self._flags())[:, 0]
        if len(occupied) == 0:
            return anywhere
        if len(occupied) <= count:
            return torch.cat([anywhere, occupied])
        drawn = torch.randint(len(occupied), (count,), generator=generator, device=generator.device).to(device)
        return torch.cat([anywhere, occupied[drawn]])

    def _flags(self) -> Bool[Tensor, " cells"]:
        return unpack_bits(self.bits)


class OccupancySampler(nn.Module):
    """Steps through the occupied cells of a grid, which it keeps up to date."""

    region: Tensor

    def __init__(
        self,
        grid: OccupancyGrid,
        region: Float[Tensor, "2 3"],
        *,
        cone_angle: float,
        update_every: int,
        warmup_steps: int,
    ) -> None:
        """Take over a grid.

        Args:
            grid: Says where to evaluate.
            region: Lower and upper corner of what may hold anything; no larger than the grid.
            cone_angle: Growth of the steps with distance; 0 for steps of equal length.
            update_every: Steps of training between updates of the grid.
            warmup_steps: Steps of training during which each update visits every cell.
        """
        super().__init__()
        self.grid = grid
        self.register_buffer("region", region.clone(), persistent=False)
        self.cone_angle, self.update_every, self.warmup_steps = cone_angle, update_every, warmup_steps
        self.longest_step = max(grid.step, float((region[1] - region[0]).norm()) / grid.resolution)

    def place(self, rays: Rays, *, near: float, far: float, generator: Generator | None = None) -> Placement:
        """Place samples one step after another, wherever a step is in an occupied cell."""
        low, high = limits(rays, self.region, near=near, far=far)
        jitter = None
        if generator is not None:
            jitter = torch.rand(len(rays), generator=generator, device=generator.device).to(low.device)
        starts, ends, owners, offsets = march_occupancy(
            rays.origins,
            rays.directions,
            low,
            high,
            occupied=self.grid.bits,
            resolution=self.grid.resolution,
            cascades=self.grid.cascades,
            box=self.grid.box,
            step_min=self.grid.step,
            step_max=self.longest_step,
            cone_angle=self.cone_angle,
            jitter=jitter,
        )
        return Placement(samples=RaySamples(starts=starts, ends=ends, rays=owners, offsets=offsets))

    def before_step(self, step: int, density: Density, generator: Generator) -> None:
        """Update the grid where it is due: all cells during the warm-up, some of them later."""
        if step > 0 and step % self.update_every == 0:
            self.grid.update(density, generator, every_cell=step <= self.warmup_steps)

    def figures(self) -> dict[str, float]:
        """Return the share of the cells that are occupied."""
        return {"occupied": self.grid.occupied_share}
