"""Samples inside spans of their rays."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.render.spans import inside_spans


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 9, width=32)), max_size=20),
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 9, width=32), st.floats(0, 4, width=32)), max_size=8),
)
def test_a_place_is_inside_if_any_span_of_its_ray_holds_it(
    places: list[tuple[int, float]], spans: list[tuple[int, float, float]]
) -> None:
    spans = sorted(spans)
    begin = torch.tensor([low for _, low, _ in spans])
    end = torch.tensor([low + length for _, low, length in spans])
    found = inside_spans(
        torch.tensor([place for _, place in places]),
        torch.tensor([ray for ray, _ in places], dtype=torch.long),
        (begin, end),
        torch.tensor([sum(owner < ray for owner, _, _ in spans) for ray in range(5)]),
    )
    lows, highs = begin.tolist(), end.tolist()
    expected = [
        any(owner == ray and low < place < high for (owner, _, _), low, high in zip(spans, lows, highs, strict=True))
        for ray, place in torch.tensor(places).tolist()
    ]
    assert found.tolist() == expected
