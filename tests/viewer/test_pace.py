"""How large pictures may be."""

from __future__ import annotations

import pytest

from nsg_cluster.viewer.pace import AT_ONCE_S, heights


def test_the_first_picture_is_as_large_as_can_be_made_at_once_and_the_last_as_large_as_is_wanted() -> None:
    found = list(heights(largest_px=700, aspect=2.0, rays_per_s=150_000))
    assert found[0] ** 2 * 2.0 == pytest.approx(150_000 * AT_ONCE_S, rel=0.05)
    assert found[1:-1] == [2 * height for height in found[:-2]] and found[-1] == 700


@pytest.mark.parametrize(("largest", "speed"), [(700, 1e9), (10, None), (1, 1.0)])
def test_one_picture_is_enough_where_it_is_quick_or_small(largest: int, speed: float | None) -> None:
    assert list(heights(largest_px=largest, aspect=1.5, rays_per_s=speed)) == [largest]


def test_a_slow_model_begins_with_a_thumbnail() -> None:
    assert list(heights(largest_px=200, aspect=1.5, rays_per_s=10.0)) == [24, 48, 96, 192, 200]
    assert next(heights(largest_px=200, aspect=1.5, rays_per_s=None)) == 24
