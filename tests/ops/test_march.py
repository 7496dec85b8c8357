"""Rays through boxes and occupancy grids."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.march import intersect_box, march_occupancy, march_rounds, morton_encode, pack_bits

UNIT = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])


def grid_of(resolution: int, cascades: int = 1, occupied: Tensor | None = None) -> dict[str, Any]:
    """Return the arguments that describe a grid: all of it occupied, or the cells with a true flag, by [c, x, y, z]."""
    cells = resolution**3
    flags = torch.ones(cascades * cells, dtype=torch.bool)
    if occupied is not None:
        index = torch.cartesian_prod(*[torch.arange(resolution)] * 3)
        for c in range(cascades):
            flags[c * cells + morton_encode(index)] = occupied[c].reshape(-1)
    return {"occupied": pack_bits(flags), "resolution": resolution, "cascades": cascades, "box": UNIT}


def steps_of(step: float, cone_angle: float = 0.0, jitter: Tensor | None = None) -> dict[str, Any]:
    return {"step_min": step, "step_max": 20 * step, "cone_angle": cone_angle, "jitter": jitter}


def random_rays(count: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return rays toward the box, from inside and outside, some along axes, and their spans in a larger box."""
    origins = 3 * torch.randn(count, 3, generator=generator)
    directions = torch.nn.functional.normalize(2 * torch.rand(count, 3, generator=generator) - 1 - origins, dim=1)
    directions[: count // 10] = torch.eye(3)[torch.randint(3, (count // 10,), generator=generator)]
    near, far = intersect_box(origins, directions, 6 * UNIT)
    return origins, directions, near, far


def march(rays: tuple[Tensor, ...], **options: Any) -> tuple[Tensor, ...]:
    origins, directions, near, far = rays
    if "limit" in options:
        return march_rounds(origins, directions, near, far, **options)
    return march_occupancy(origins, directions, near, far, **options)


def test_a_ray_enters_and_leaves_where_a_hand_computes(backend: str) -> None:
    origins = torch.tensor([[-3.0, 0, 0], [0.0, 0.5, 0], [-3.0, 2, 0], [3.0, 0, 0], [-2.0, -2, 0]])
    directions = torch.tensor([[1.0, 0, 0], [0.0, 1, 0], [1.0, 0, 0], [1.0, 0, 0], [2.0, 2, 0]])
    near, far = intersect_box(origins, directions, UNIT)
    # Through; from inside; past the box; away from it; along the diagonal, in multiples of a longer direction.
    assert near.tolist() == [2, 0, 0, 0, 0.5]
    assert far.tolist() == [4, 0.5, 0, 0, 1.5]


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_backends_agree_on_boxes_to_the_last_bit(agree: Callable[..., None], generator: Generator, count: int) -> None:
    origins, directions, *_ = random_rays(count, generator)
    agree(lambda o, d: intersect_box(o, d, UNIT), (origins, directions), exact=True)


def test_rays_that_are_no_numbers_miss_every_box(backend: str) -> None:
    origins = torch.tensor([[math.nan, 0, 0], [0.0, 0, 0], [math.inf, 0, 0]])
    directions = torch.tensor([[1.0, 0, 0], [math.nan, 0, 0], [1.0, 0, 0]])
    near, far = intersect_box(origins, directions, UNIT)
    assert near.tolist() == far.tolist() == [0, 0, 0]


def test_a_full_grid_keeps_every_interval_before_far(backend: str) -> None:
    origins, directions = torch.tensor([[-3.0, 0.1, 0.1]]), torch.tensor([[1.0, 0, 0]])
    near, far = intersect_box(origins, directions, UNIT)
    starts, ends, rays, offsets = march_occupancy(origins, directions, near, far, **grid_of(8), **steps_of(0.25))
    assert offsets.tolist() == [0, 8]
    assert rays.tolist() == [0] * 8
    torch.testing.assert_close(starts, 2 + 0.25 * torch.arange(8.0))
    torch.testing.assert_close(ends, starts + 0.25)


def test_only_intervals_with_their_middle_in_an_occupied_cell_are_kept(backend: str) -> None:
    occupied = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    occupied[0, 2, 1, 3] = True  # x from 0 to 0.5, y from -0.5 to 0, z from 0.5 to 1
    origins, directions = torch.tensor([[-3.0, -0.2, 0.7], [-3.0, 0.2, 0.7]]), torch.tensor([[1.0, 0, 0]] * 2)
    near, far = intersect_box(origins, directions, UNIT)
    starts, _, rays, offsets = march_occupancy(
        origins, directions, near, far, **grid_of(4, occupied=occupied), **steps_of(0.125)
    )
    torch.testing.assert_close(starts, torch.tensor([3.0, 3.125, 3.25, 3.375]))
    assert rays.tolist() == [0] * 4
    assert offsets.tolist() == [0, 4, 4]


def test_jitter_shifts_the_samples_of_a_ray_together(backend: str) -> None:
    origins, directions = torch.tensor([[-3.0, 0.1, 0.1]] * 2), torch.tensor([[1.0, 0, 0]] * 2)
    near, far = intersect_box(origins, directions, UNIT)
    steps = steps_of(0.25, jitter=torch.tensor([0.0, 0.4]))
    starts, _, _, offsets = march_occupancy(origins, directions, near, far, **grid_of(4), **steps)
    first, second = starts[: offsets[1]], starts[offsets[1] :]
    torch.testing.assert_close(second[:7] - first[:7], torch.full((7,), 0.1))


def test_a_cone_lengthens_steps_with_distance_between_its_limits(backend: str) -> None:
    origins, directions = torch.tensor([[-1.0, 0.1, 0.1]]), torch.tensor([[1.0, 0, 0]])
    starts, ends, *_ = march_occupancy(
        origins, directions, torch.zeros(1), torch.full((1,), 2.0), **grid_of(4), **steps_of(0.01, cone_angle=0.1)
    )
    torch.testing.assert_close(starts[1:], ends[:-1])
    torch.testing.assert_close(ends - starts, (0.1 * starts).clamp(0.01, 0.2), rtol=1e-4, atol=1e-6)


def test_far_places_are_looked_up_in_coarser_cascades(backend: str) -> None:
    occupied = torch.zeros(2, 4, 4, 4, dtype=torch.bool)
    occupied[1, 3] = True  # the cascade of twice the size: x from 1 to 2
    origins, directions = torch.tensor([[-3.0, 0.1, 0.1]]), torch.tensor([[1.0, 0, 0]])
    starts, ends, *_ = march_occupancy(
        origins, directions, torch.zeros(1), torch.full((1,), 9.0), **grid_of(4, 2, occupied), **steps_of(0.25)
    )
    assert starts[0].item() == pytest.approx(4.0)
    assert ends[-1].item() == pytest.approx(5.0)


@pytest.mark.parametrize("cone_angle", [0.0, 1 / 256, 0.02])
@pytest.mark.parametrize(("resolution", "cascades"), [(4, 1), (8, 3), (16, 8), (64, 1), (64, 2)])
def test_backends_keep_the_same_samples_to_the_last_bit(
    agree: Callable[..., None], generator: Generator, resolution: int, cascades: int, cone_angle: float
) -> None:
    rays = random_rays(100, generator)
    coarse = torch.rand(cascades, 1, *[max(resolution // 8, 1)] * 3, generator=generator) < 0.2
    shell = torch.nn.functional.interpolate(coarse.float(), size=[resolution] * 3)[:, 0] > 0
    dust = torch.rand(cascades, *[resolution] * 3, generator=generator) < 0.01
    grid = grid_of(resolution, cascades, shell | dust)
    for step, jitter in ((0.005, torch.rand(100, generator=generator)), (0.03, None)):
        steps = steps_of(step, cone_angle, jitter)
        agree(lambda *r, s=steps: march(r, **grid, **s), rays, exact=True)


@pytest.mark.parametrize("cone_angle", [0.0, 0.01])
def test_rounds_together_give_what_one_march_gives(backend: str, generator: Generator, cone_angle: float) -> None:
    rays = random_rays(60, generator)
    grid = grid_of(16, occupied=torch.rand(1, 16, 16, 16, generator=generator) < 0.2)
    steps = steps_of(0.02, cone_angle, torch.rand(60, generator=generator))
    wanted = march(rays, **grid, **steps)
    parts, cursor = [], rays[2]
    while bool(cursor.isfinite().any()):
        starts, ends, owners, offsets, cursor = march(rays, **grid, **steps, cursor=cursor, limit=20)
        assert int(offsets.diff().max()) <= 20
        parts.append(torch.stack([owners.double(), starts.double(), ends.double()], dim=1))
    found = torch.cat(parts)
    order = found[:, 0].argsort(stable=True)
    assert torch.equal(found[order][:, 1:].float(), torch.stack(wanted[:2], dim=1))


def test_backends_agree_on_rounds(agree: Callable[..., None], generator: Generator) -> None:
    rays = random_rays(100, generator)
    grid = grid_of(32, occupied=torch.rand(1, 32, 32, 32, generator=generator) < 0.1)
    agree(lambda *r: march(r, **grid, **steps_of(0.01), cursor=r[2] + 0.5, limit=3), rays, exact=True)


@pytest.mark.parametrize("cone_angle", [0.0, 0.01])
def test_rays_that_are_no_numbers_or_never_end_have_no_samples(backend: str, cone_angle: float) -> None:
    origins, directions = torch.tensor([[-3.0, 0.1, 0.1]] * 6), torch.tensor([[1.0, 0, 0]] * 6)
    near, far = torch.full((6,), 2.0), torch.full((6,), 4.0)
    origins[0, 1], directions[1, 2], near[2], far[3] = math.nan, math.inf, math.nan, math.nan
    near[4], far[5] = math.inf, math.inf  # an infinite end is fine: the box ends the ray
    *_, offsets = march_occupancy(origins, directions, near, far, **grid_of(16), **steps_of(0.25, cone_angle))
    assert offsets.tolist() == [0, 0, 0, 0, 0, 0, 8]


def test_no_rays_and_rays_that_miss_give_no_samples(backend: str) -> None:
    for count in (0, 3):
        origins, directions = torch.full((count, 3), 5.0), torch.tensor([[1.0, 0, 0]]).repeat(count, 1)
        near, far = intersect_box(origins, directions, UNIT)
        starts, ends, rays, offsets = march_occupancy(origins, directions, near, far, **grid_of(16), **steps_of(0.1))
        assert len(starts) == len(ends) == len(rays) == 0
        assert offsets.tolist() == [0] * (count + 1)


def test_views_are_marched_like_copies(backend: str, generator: Generator) -> None:
    origins, directions, near, far = random_rays(20, generator)
    wide = torch.cat([origins, directions], dim=1)
    padded = torch.cat([torch.zeros(1, dtype=torch.uint8), grid_of(16)["occupied"]])
    shifted = {**grid_of(16), "occupied": padded[1:]}  # not aligned to the words that kernels read
    found = march_occupancy(wide[:, :3], wide[:, 3:], near, far, **shifted, **steps_of(0.05))
    wanted = march_occupancy(origins, directions, near, far, **grid_of(16), **steps_of(0.05))
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None, generator: Generator) -> None:
    rays = random_rays(4, generator)
    grid, steps = grid_of(16), steps_of(0.1)
    with pytest.raises(ValueError, match=r"march_occupancy: near has shape \(3,\), expected \(rays=4\)"):
        march_occupancy(rays[0], rays[1], rays[2][:3], rays[3], **grid, **steps)
    with pytest.raises(ValueError, match=r"occupied has shape \(512,\), expected \(1024\)"):
        march(rays, **{**grid, "cascades": 2}, **steps)
    with pytest.raises(ValueError, match="resolution is 12, expected a power of two from 4 to 512"):
        march(rays, **{**grid, "resolution": 12}, **steps)
    with pytest.raises(ValueError, match=r"step_max is 0\.05, expected step_min=0\.1 or more"):
        march(rays, **grid, **{**steps, "step_max": 0.05})
    with pytest.raises(TypeError, match="occupied is int64, expected uint8"):
        march(rays, **{**grid, "occupied": grid["occupied"].long()}, **steps)
    with pytest.raises(ValueError, match="march_rounds: limit is 0, expected 1 or more"):
        march(rays, **grid, **steps, cursor=rays[2], limit=0)
    with pytest.raises(ValueError, match=r"intersect_box: box has shape \(3, 2\), expected \(2, 3\)"):
        intersect_box(rays[0], rays[1], UNIT.t())
