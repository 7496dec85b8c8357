"""Samples of several nodes merged by depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.merge import ENDLESS, merge_by_depth
from nsg_cluster.ops.volume import composite, composite_merged

POINTS: dict[str, Any] = {"background_is_points": True, "hits_are_points": True}
INTERVALS: dict[str, Any] = {"background_is_points": False, "hits_are_points": False}
MIXED: dict[str, Any] = {"background_is_points": False, "hits_are_points": True}


def nodes(counts: list[int], hits_of: list[int], per_hit: int, generator: Generator) -> tuple[Tensor, ...]:
    """Return starts, ends, offsets, hits and hit offsets: rays with so many samples of the background and hits."""
    offsets, hit_offsets = (torch.tensor([0, *numbers]).cumsum(0) for numbers in (counts, hits_of))
    background = [9 * torch.rand(count, generator=generator).sort().values for count in counts]
    entries = 8 * torch.rand(sum(hits_of), 1, generator=generator)
    boxes = entries + 2 * torch.rand(sum(hits_of), per_hit, generator=generator).sort(1).values
    starts = torch.cat([*background, boxes.flatten()])
    starts = (8 * starts).round() / 8  # many begin at the same distance
    hits = torch.randperm(sum(hits_of), generator=generator)
    return starts, starts + 0.3 * torch.rand(len(starts), generator=generator), offsets, hits, hit_offsets


def test_points_end_where_the_next_sample_starts_and_the_last_one_never(backend: str) -> None:
    starts, ends = torch.tensor([1.0, 5.0, 3.0, 2.0, 4.0]), torch.tensor([0.0, 0, 0, 2.5, 6.0])
    offsets, hit_offsets = torch.tensor([0, 2, 2, 3]), torch.tensor([0, 1, 1, 1])
    kinds: dict[str, Any] = {"background_is_points": True, "hits_are_points": False}
    begin, end, places, order, rays, merged = merge_by_depth(
        starts, ends, offsets, torch.tensor([0]), hit_offsets, per_hit=2, **kinds
    )
    assert begin.tolist() == [1, 2, 4, 5, 3] and order.tolist() == [0, 3, 4, 1, 2]
    assert end[:3].tolist() == [2, 2.5, 6] and (end[3:] >= ENDLESS).all()
    assert places.tolist() == [1, 2.25, 5, 5, 3]
    assert rays.tolist() == [0, 0, 0, 0, 2] and merged.tolist() == [0, 4, 4, 5]


def test_equal_depths_keep_their_order_the_background_before_the_hits(backend: str) -> None:
    starts, offsets, hits = torch.ones(7), torch.tensor([0, 3]), torch.tensor([1, 0])
    order = merge_by_depth(starts, starts, offsets, hits, torch.tensor([0, 2]), per_hit=2, **POINTS)[3]
    assert order.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_samples_of_a_ray_that_are_not_in_order_are_sorted(backend: str) -> None:
    starts = torch.tensor([3.0, 1, 2, 9, 8, 0.5, 2.5])
    begin, _, _, order, *_ = merge_by_depth(
        starts, starts, torch.tensor([0, 3]), torch.tensor([1, 0]), torch.tensor([0, 2]), per_hit=2, **POINTS
    )
    assert order.tolist() == [5, 1, 2, 6, 0, 4, 3] and begin.tolist() == starts[order].tolist()


@pytest.mark.parametrize("kinds", [POINTS, INTERVALS, MIXED], ids=["points", "intervals", "mixed"])
@pytest.mark.parametrize(
    ("counts", "hits_of", "per_hit"),
    [
        ([], [], 3),
        ([0], [0], 1),
        ([0, 0], [2, 1], 4),
        ([5, 0, 9], [0, 0, 0], 7),
        ([6] * 40, [0, 1, 2, 7] * 10, 7),
        ([70, 0, 1], [3, 50, 0], 5),
    ],
    ids=str,
)
def test_backends_merge_alike_to_the_last_bit(
    agree: Callable[..., None],
    generator: Generator,
    counts: list[int],
    hits_of: list[int],
    per_hit: int,
    kinds: dict[str, Any],
) -> None:
    samples = nodes(counts, hits_of, per_hit, generator)
    agree(lambda *tensors: merge_by_depth(*tensors, per_hit=per_hit, **kinds), samples, exact=True)


def test_every_sample_is_there_once_and_the_order_of_hits_in_memory_changes_nothing(
    backend: str, generator: Generator
) -> None:
    starts, ends, offsets, hits, hit_offsets = nodes([6, 0, 3], [2, 1, 4], 5, generator)
    starts += 1e-3 * torch.rand(len(starts), generator=generator)
    found = merge_by_depth(starts, ends, offsets, hits, hit_offsets, per_hit=5, **INTERVALS)
    assert found[3].sort().values.tolist() == list(range(len(starts)))
    shuffled = torch.randperm(len(hits), generator=generator)
    moved = torch.cat([torch.arange(9), 9 + (5 * shuffled[:, None] + torch.arange(5)).flatten()])
    where = torch.empty_like(shuffled).index_copy(0, shuffled, torch.arange(len(hits)))
    again = merge_by_depth(starts[moved], ends[moved], offsets, where[hits], hit_offsets, per_hit=5, **INTERVALS)
    assert torch.equal(moved[again[3]], found[3])
    for one, other in zip((*again[:3], *again[4:]), (*found[:3], *found[4:]), strict=True):
        assert torch.equal(one, other)


Light = tuple[Tensor, Tensor, tuple[Tensor, ...], dict[str, Any]]


def merged_light(generator: Generator, kinds: dict[str, Any], dtype: torch.dtype = torch.float32) -> Light:
    """Return densities and colors in the order before; starts, ends and offsets of merged samples; order and places."""
    starts, ends, *rest = nodes([6, 0, 3, 70], [2, 1, 0, 5], 5, generator)
    begin, end, places, order, _, offsets = merge_by_depth(starts, ends, *rest, per_hit=5, **kinds)
    densities = 2 * torch.rand(len(starts), generator=generator, dtype=dtype)
    colors = torch.rand(len(starts), 3, generator=generator, dtype=dtype)
    return densities, colors, (begin.to(dtype), end.to(dtype), offsets), {"order": order, "places": places.to(dtype)}


@pytest.mark.parametrize("threshold", [0.0, 0.05])
@pytest.mark.parametrize("kinds", [POINTS, INTERVALS, MIXED], ids=["points", "intervals", "mixed"])
def test_backends_composite_merged_samples_alike(
    agree: Callable[..., None], generator: Generator, kinds: dict[str, Any], threshold: float
) -> None:
    densities, colors, samples, merged = merged_light(generator, kinds)
    agree(
        lambda d, c: composite_merged(d, c, *samples, **merged, transmittance_threshold=threshold),
        (densities.requires_grad_(), colors.requires_grad_()),
    )


def test_merged_samples_are_composited_as_sorted_ones_are(backend: str, generator: Generator) -> None:
    densities, colors, samples, merged = merged_light(generator, INTERVALS)
    found = composite_merged(densities, colors, *samples, **merged)
    wanted = composite(densities[merged["order"]], colors[merged["order"]], *samples)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_the_definition_has_the_right_gradients(generator: Generator) -> None:
    densities, colors, samples, merged = merged_light(generator, INTERVALS, torch.float64)
    arguments = (densities.requires_grad_(), colors.requires_grad_())
    assert torch.autograd.gradcheck(lambda d, c: composite_merged(d, c, *samples, **merged), arguments)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e6, 1e30])
def test_values_and_gradients_are_finite_for_any_density(backend: str, scale: float, generator: Generator) -> None:
    densities, colors, samples, merged = merged_light(generator, POINTS)
    leaves = ((scale * densities).requires_grad_(), colors.requires_grad_())
    found = composite_merged(*leaves, *samples, **merged)
    gradients = torch.autograd.grad(torch.stack([part.sum() for part in found]).sum(), leaves)
    assert all(tensor.isfinite().all() for tensor in (*found, *gradients))


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None, generator: Generator) -> None:
    starts, ends, offsets, hits, hit_offsets = nodes([2, 1], [1, 1], 3, generator)
    with pytest.raises(ValueError, match="the number of samples is 5, expected per_hit for each hit"):
        merge_by_depth(starts[:5], ends[:5], offsets, hits, hit_offsets, per_hit=3, **POINTS)
    with pytest.raises(ValueError, match="offsets must begin with 0, never decrease and end with 5, the samples"):
        merge_by_depth(starts, ends, offsets, hits, hit_offsets, per_hit=2, **POINTS)
    with pytest.raises(ValueError, match="hits holds indices from 1 to 2, expected 0 to 1"):
        merge_by_depth(starts, ends, offsets, hits + 1, hit_offsets, per_hit=3, **POINTS)
    with pytest.raises(ValueError, match="per_hit is 0, expected 1 or more"):
        merge_by_depth(starts, ends, offsets, hits, hit_offsets, per_hit=0, **POINTS)
    with pytest.raises(ValueError, match=r"composite_merged: order holds indices from 1 to 9, expected 0 to 8"):
        composite_merged(
            *(starts, torch.ones(9, 3), starts, ends, torch.tensor([0, 9])), order=torch.arange(9) + 1, places=starts
        )
