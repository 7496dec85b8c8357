"""Samples of several nodes merged by depth."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.render.compose import ENDLESS, inside_spans, merge_by_depth


def test_points_end_where_the_next_sample_starts_and_the_last_one_never() -> None:
    starts = torch.tensor([1.0, 5.0, 2.0, 3.0])
    merged, order = merge_by_depth(
        starts, torch.tensor([0.0, 0.0, 2.5, 0.0]), torch.tensor([0, 0, 0, 2]),
        torch.tensor([True, True, False, True]), 3,
    )  # fmt: skip
    assert order.tolist() == [0, 2, 1, 3]
    assert merged.starts.tolist() == [1.0, 2.0, 5.0, 3.0]
    assert merged.ends[:2].tolist() == [2.0, 2.5] and (merged.ends[2:] >= ENDLESS).all()
    assert merged.offsets.tolist() == [0, 3, 3, 4]


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 9, width=32)), max_size=30))
def test_all_samples_are_there_in_order(samples: list[tuple[int, float]]) -> None:
    rays = torch.tensor([ray for ray, _ in samples], dtype=torch.long)
    starts = torch.tensor([start for _, start in samples])
    merged, order = merge_by_depth(starts, starts + 1, rays, torch.zeros(len(rays), dtype=torch.bool), 5)
    assert sorted(order.tolist()) == list(range(len(samples)))
    assert [*zip(merged.rays.tolist(), merged.starts.tolist(), strict=True)] == sorted(
        zip(rays.tolist(), starts.tolist(), strict=True)
    )


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 9, width=32)), max_size=20),
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 9, width=32), st.floats(0, 4, width=32)), max_size=8),
)
def test_a_place_is_inside_if_any_span_of_its_ray_holds_it(
    places: list[tuple[int, float]], spans: list[tuple[int, float, float]]
) -> None:
    begin = torch.tensor([low for _, low, _ in spans])
    end = torch.tensor([low + length for _, low, length in spans])
    found = inside_spans(
        torch.tensor([place for _, place in places]),
        torch.tensor([ray for ray, _ in places], dtype=torch.long),
        (begin, end, torch.tensor([ray for ray, _, _ in spans], dtype=torch.long)),
        4,
    )
    lows, highs = begin.tolist(), end.tolist()
    expected = [
        any(owner == ray and low < place < high for (owner, _, _), low, high in zip(spans, lows, highs, strict=True))
        for ray, place in torch.tensor(places).tolist()
    ]
    assert found.tolist() == expected
