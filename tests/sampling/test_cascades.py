"""Upkeep of an occupancy grid with surroundings: cascades, growing steps, cells that nobody sees."""

from __future__ import annotations

import torch

from nsg_cluster.geometry.rays import Rays, midpoints
from nsg_cluster.sampling.occupancy import OccupancyGrid, OccupancySampler, scaled_box

BOX = torch.tensor([[-1.0] * 3, [1.0] * 3])


def grid(cascades: int = 1, **changes: float) -> OccupancyGrid:
    settings = {"step": 0.01, "decay": 0.5, "threshold": 0.01} | changes
    return OccupancyGrid(BOX, resolution=16, cascades=cascades, **settings)  # type: ignore[arg-type]


def ball(positions: torch.Tensor) -> torch.Tensor:
    """Return the density of a ball of radius 0.5, which is 100 in the middle and falls to half of it."""
    radius = positions.norm(dim=1)
    density: torch.Tensor = (100.0 - 100.0 * radius) * (radius < 0.5)
    return density


def ray(origin: tuple[float, float, float] = (-5.0, 0.01, 0.02)) -> Rays:
    return Rays(
        origins=torch.tensor([origin]),
        directions=torch.tensor([[1.0, 0.0, 0.0]]),
        radii=torch.full((1,), 1e-3),
        images=torch.zeros(1, dtype=torch.int64),
    )


def sampler(of: OccupancyGrid, bound: float = 1.0, cone_angle: float = 0.0) -> OccupancySampler:
    return OccupancySampler(of, scaled_box(BOX, bound), cone_angle=cone_angle, update_every=4, warmup_steps=8)


def test_later_updates_visit_a_quarter_anywhere_and_as_many_that_are_occupied() -> None:
    cells, seen = grid(), []

    def density(positions: torch.Tensor) -> torch.Tensor:
        seen.append(positions)
        return ball(positions)

    cells.update(density, torch.Generator(), every_cell=True)
    occupied = int(cells.occupied_share * 16**3)
    seen.clear()
    cells.update(density, torch.Generator(), every_cell=False, points_per_call=100)
    assert max(map(len, seen)) == 100
    assert sum(map(len, seen)) == 16**3 // 4 + occupied


def test_cascades_cover_twice_the_side_each() -> None:
    centers = grid(cascades=3).centers().view(3, -1, 3)
    assert torch.allclose(centers.abs().amax((1, 2)), torch.tensor([1.0, 2.0, 4.0]) * (15 / 16))
    assert torch.allclose(centers[1], 2 * centers[0])


def test_rays_march_through_all_cascades_and_skip_what_is_empty() -> None:
    cells = grid(cascades=3)

    def two_balls(positions: torch.Tensor) -> torch.Tensor:
        return ball(positions) + ball(positions - torch.tensor([3.0, 0.0, 0.0]))

    for step in range(8):
        cells.update(two_balls, torch.Generator().manual_seed(step), every_cell=True)
    samples = sampler(cells, bound=4.0).place(ray(), near=0.0, far=100.0).samples
    x = midpoints(ray(), samples)[:, 0]
    assert ((x > -0.7) & (x < 0.7) | (x > 2.0) & (x < 4.0)).all()
    for place in (-0.45, 0.0, 0.45, 2.6, 3.0, 3.4):
        assert float((x - place).abs().min()) < 0.02, f"the ball at {place} is stepped through"
    assert len(sampler(cells, bound=2.0).place(ray(), near=0.0, far=100.0).samples) < len(samples), (
        "rays end at the bound"
    )


def test_steps_grow_with_distance_up_to_the_diagonal_of_a_cell() -> None:
    samples = sampler(grid(cascades=4), bound=8.0, cone_angle=1 / 16).place(ray(), near=0.5, far=100.0).samples
    lengths = samples.ends - samples.starts
    longest = 16 * 3**0.5 / 16
    assert torch.allclose(lengths, (samples.starts / 16).clamp(0.01, longest), rtol=1e-4)
    assert float(lengths.max()) > 5 * float(lengths.min())


def test_a_forgotten_cell_stays_empty_whatever_is_in_it() -> None:
    cells = grid()
    unseen = cells.centers()[:, 0] > 0
    cells.forget(unseen)
    assert cells.occupied_share == 0.5
    visited = []
    cells.update(lambda x: visited.append(x) or ball(x), torch.Generator(), every_cell=True)  # type: ignore[func-returns-value]
    assert float(visited[0][:, 0].max()) <= 0
    x = midpoints(ray(), sampler(cells).place(ray(), near=0.0, far=9.0).samples)[:, 0]
    assert -0.7 < float(x.min()) < -0.4 and float(x.max()) <= 0
