"""The occupancy grid: which cells of the scene box hold anything, so that rays skip the rest.

The optical thickness of a place is the field's density there times the marching step. A cell keeps the largest that was
seen in it, fading by a factor at each update (Müller et al., https://arxiv.org/abs/2201.05989, appendix C). Cells are
stored in Morton order; ``bits`` packs eight cells a byte.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.ops.march import intersect_box, march_occupancy, morton_decode, pack_bits

__all__ = ["OccupancyGrid"]

Density = Callable[[Float[Tensor, "points 3"]], Float[Tensor, " points"]]


class OccupancyGrid(nn.Module):
    """Marks occupied cells and marches rays through them; at first every cell is occupied."""

    box: Tensor
    thickness: Tensor
    bits: Tensor

    def __init__(
        self, box: Float[Tensor, "2 3"], *, resolution: int, step: float, decay: float, threshold: float
    ) -> None:
        """Cover a box.

        Args:
            box: Lower and upper corner.
            resolution: Cells along each side.
            step: Length of a marching step, in scene units.
            decay: Factor applied to a cell's memory at each update.
            threshold: Optical thickness of one step above which a cell is occupied in any case; below it, a cell is
                occupied if it exceeds the mean of all cells that hold anything.
        """
        super().__init__()
        self.resolution, self.step, self.decay, self.threshold = resolution, step, decay, threshold
        cells = resolution**3
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
        noise = torch.rand(len(cells), 3, generator=generator, device=generator.device).to(cells.device)
        corner, extent = self.box[0], (self.box[1] - self.box[0]) / self.resolution
        positions = corner + (morton_decode(cells) + noise) * extent
        seen = torch.cat([density(part) for part in torch.split(positions, points_per_call)]) * self.step
        self.thickness.mul_(self.decay)
        # A maximum does not depend on the order in which cells that were drawn twice arrive.
        self.thickness.scatter_reduce_(0, cells, seen, reduce="amax")
        self._mark()

    def march(self, rays: Rays, *, near: float, far: float, jitter: Float[Tensor, " rays"] | None = None) -> RaySamples:
        """Return steps of equal length through the occupied cells, between ``near`` and ``far`` and inside the box.

        Args:
            rays: Where to march.
            near: Distance before which no step begins.
            far: Distance at which marching ends.
            jitter: Share of a step by which each ray's steps are shifted, 0 to 1; none by default.
        """
        entry, leave = intersect_box(rays.origins, rays.directions, self.box)
        starts, ends, owners, offsets = march_occupancy(
            rays.origins,
            rays.directions,
            entry.clamp(min=near),
            leave.clamp(max=far),
            occupied=self.bits,
            resolution=self.resolution,
            cascades=1,
            box=self.box,
            step_min=self.step,
            step_max=self.step,
            cone_angle=0.0,
            jitter=jitter,
        )
        return RaySamples(starts=starts, ends=ends, rays=owners, offsets=offsets)

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

    def _flags(self) -> Tensor:
        powers = 2 ** torch.arange(8, dtype=torch.uint8, device=self.bits.device)
        return ((self.bits[:, None] & powers) > 0).flatten()
