"""The occupancy grid against a field that is known: a solid box in empty space."""

from __future__ import annotations

import pytest
import torch

from nsg_cluster.geometry.rays import Rays, RaySamples, midpoints
from nsg_cluster.sampling.occupancy import OccupancyGrid, OccupancySampler

BOX = torch.tensor([[-1.0, -2.0, 0.0], [3.0, 2.0, 2.0]])
SOLID = torch.tensor([[0.1, -0.9, 0.4], [1.3, 0.7, 1.6]])


def density(positions: torch.Tensor) -> torch.Tensor:
    inside = ((positions > SOLID[0]) & (positions < SOLID[1])).all(dim=1)
    return 50.0 * inside


def grid(step: float = 0.01) -> OccupancyGrid:
    return OccupancyGrid(BOX, resolution=16, step=step, decay=0.95, threshold=0.01)


def random_rays(count: int) -> Rays:
    generator = torch.Generator().manual_seed(3)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    targets = BOX[0] + torch.rand(count, 3, generator=generator) * (BOX[1] - BOX[0])
    return Rays(
        origins=targets - 6 * directions,
        directions=directions,
        radii=torch.full((count,), 1e-3),
        images=torch.zeros(count, dtype=torch.int64),
    )


def march(of: OccupancyGrid, rays: Rays, *, near: float, far: float, seed: int | None = None) -> RaySamples:
    sampler = OccupancySampler(of, BOX, cone_angle=0.0, update_every=1, warmup_steps=1)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return sampler.place(rays, near=near, far=far, generator=generator).samples


def test_a_full_grid_is_marched_uniformly_from_edge_to_edge() -> None:
    rays, step = random_rays(200), 0.05
    samples = march(grid(step), rays, near=0.0, far=100.0)
    assert torch.allclose(samples.ends - samples.starts, torch.full((len(samples),), step), atol=1e-5)
    counts = samples.offsets.diff()
    for ray in range(0, 200, 13):
        # The slab test, written out for one ray.
        at_faces = (BOX - rays.origins[ray]) / rays.directions[ray]
        entry, leave = at_faces.amin(dim=0).amax(), at_faces.amax(dim=0).amin()
        own = samples.starts[samples.offsets[ray] : samples.offsets[ray + 1]]
        assert abs(int(counts[ray]) - float((leave - entry) / step)) <= 1
        expected = entry + step * torch.arange(len(own))
        assert torch.allclose(own, expected, atol=1e-4)


def test_rays_are_clipped_to_near_and_far_and_shifted_by_the_jitter() -> None:
    rays, full = random_rays(100), grid(0.05)
    plain = march(full, rays, near=5.0, far=6.5)
    assert plain.starts.min() >= 5.0 and plain.ends.max() <= 6.5 + 0.05
    shifted = march(full, rays, near=5.0, far=6.5, seed=0)
    has_both = (plain.offsets.diff() > 0) & (shifted.offsets.diff() > 0)
    moved = shifted.starts[shifted.offsets[:-1][has_both]] - plain.starts[plain.offsets[:-1][has_both]]
    jitter = torch.rand(100, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(moved, 0.05 * jitter[has_both], atol=1e-5)


@pytest.mark.parametrize("kind", ["from a full grid, every cell", "from a full grid, some cells"])
def test_the_known_box_is_found_and_none_of_its_cells_is_lost(kind: str) -> None:
    occupancy, generator = grid(), torch.Generator().manual_seed(0)
    every_cell = kind.endswith("every cell")
    for _ in range(12 if every_cell else 60):
        occupancy.update(density, generator, every_cell=every_cell)
    rays = random_rays(3000)
    points = midpoints(rays, march(occupancy, rays, near=0.0, far=100.0))
    cell = (BOX[1] - BOX[0]) / 16
    near_solid = ((points > SOLID[0] - cell) & (points < SOLID[1] + cell)).all(dim=1)
    assert near_solid.all(), "only cells that touch the solid are marched"
    everything = midpoints(rays, march(grid(), rays, near=0.0, far=100.0))
    # One cell in from the surface: a cell that the solid merely touches may have been missed by its random points.
    well_inside = ((everything > SOLID[0] + cell) & (everything < SOLID[1] - cell)).all(dim=1).sum()
    still_there = ((points > SOLID[0] + cell) & (points < SOLID[1] - cell)).all(dim=1).sum()
    assert well_inside > 1000 and still_there == well_inside
    solid_share = float((SOLID[1] - SOLID[0]).prod() / (BOX[1] - BOX[0]).prod())
    assert solid_share < occupancy.occupied_share < 4 * solid_share


def test_a_solid_cell_stays_occupied_through_every_later_update() -> None:
    occupancy, generator = grid(), torch.Generator().manual_seed(1)
    rays = random_rays(500)
    for _ in range(8):
        occupancy.update(density, generator, every_cell=True)
    before = len(march(occupancy, rays, near=0.0, far=100.0))
    for _ in range(50):
        occupancy.update(density, generator, every_cell=False)
        assert len(march(occupancy, rays, near=0.0, far=100.0)) >= before
    assert before > 1000


def test_cells_that_become_empty_are_given_up() -> None:
    occupancy, generator = grid(), torch.Generator().manual_seed(1)
    occupancy.update(density, generator, every_cell=True)
    assert occupancy.occupied_share > 0
    for _ in range(100):
        occupancy.update(lambda positions: 1e-9 + 0 * positions[:, 0], generator, every_cell=True)
    occupancy.update(density, generator, every_cell=False)
    assert occupancy.occupied_share > 0, "and found again where they come back"


def test_a_weak_fog_is_kept_where_it_is_all_there_is() -> None:
    occupancy, generator = grid(), torch.Generator().manual_seed(1)
    occupancy.update(lambda positions: 1e-4 * density(positions), generator, every_cell=True)
    assert 0 < occupancy.occupied_share < 0.2, "the mean of the positive cells takes the place of the threshold"


def test_an_update_depends_on_its_generator_alone() -> None:
    results = []
    for _ in range(2):
        occupancy, generator = grid(), torch.Generator().manual_seed(5)
        for every_cell in (True, False, False):
            occupancy.update(density, generator, every_cell=every_cell, points_per_call=1000)
        results.append(occupancy)
    assert torch.equal(results[0].thickness, results[1].thickness)
    assert torch.equal(results[0].bits, results[1].bits)
