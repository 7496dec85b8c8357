"""Samples inside the boxes of objects."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nsg_cluster.geometry.placements import placements_of
from nsg_cluster.sampling.boxes import BoxHits, find_hits, place_in_boxes
from tests.models import street


def hits(count: int = 1) -> BoxHits:
    zeros = torch.zeros(count, dtype=torch.long)
    return BoxHits(
        rays=zeros,
        rows=zeros,
        objects=zeros,
        entries=torch.full((count,), 2.0),
        exits=torch.full((count,), 6.0),
        of_rays=torch.arange(count),
        offsets=torch.tensor([0, count]),
    )


def test_hits_are_those_of_the_frame_sorted_by_object() -> None:
    rays, rows = street.rays(1), placements_of(street.tracks())
    assert rays.frames is not None
    found = find_hits(rays, rows, rays.frames)
    assert set(found.objects.tolist()) == {0, 1} and (found.objects.diff() >= 0).all()
    assert set(find_hits(rays, rows, torch.zeros_like(rays.frames)).objects.tolist()) == {0}
    in_order = found.rays[found.of_rays]
    assert (in_order.diff() >= 0).all() and found.offsets.diff().tolist() == in_order.bincount(minlength=64).tolist()
    assert ((found.entries[found.of_rays].diff() >= 0) | (in_order.diff() > 0)).all(), "nearest first"
    places = rays.origins[found.rays] + found.entries[:, None] * rays.directions[found.rays]
    maps = rows.world_to_box[found.rows]
    in_box = torch.einsum("hij,hj->hi", maps[:, :, :3], places) + maps[:, :, 3]
    torch.testing.assert_close(in_box.abs().amax(1), torch.ones(len(found)), rtol=0, atol=1e-4)


def test_points_stand_from_entry_to_exit_and_a_single_one_in_the_middle() -> None:
    starts, ends = place_in_boxes(hits(), 5, kind="points")
    assert starts.tolist() == ends.tolist() == [[2.0, 3.0, 4.0, 5.0, 6.0]]
    assert place_in_boxes(hits(), 1, kind="points")[0].tolist() == [[4.0]]


def test_intervals_fill_the_box_whatever_the_jitter() -> None:
    starts, ends = place_in_boxes(hits(50), 4, kind="intervals", generator=torch.Generator().manual_seed(0))
    assert torch.equal(starts[:, 1:], ends[:, :-1]) and (ends > starts).all()
    assert starts[:, 0].tolist() == [2.0] * 50 and ends[:, -1].tolist() == [6.0] * 50
    assert float(starts[:, 1].std()) == pytest.approx(1 / 12**0.5, rel=0.2)
    assert place_in_boxes(hits(), 2, kind="intervals")[0].tolist() == [[2.0, 4.0]]


def test_of_boxes_one_behind_the_other_the_nearest_may_count_alone() -> None:
    some, rows = street.rays(1), placements_of(street.tracks())
    # Track 3 stands before track 7 as well.
    rows = replace(rows, object_to_world=torch.stack([*rows.object_to_world[:2], street.pose(4.0, 0.0, 1.0)]))
    assert some.frames is not None
    every, nearest = (find_hits(some, rows, some.frames, nearest_only=only) for only in (False, True))
    assert int(every.offsets.diff().max()) == 2
    for ray in range(64):
        mine = every.rays == ray
        kept = nearest.rays == ray
        assert int(kept.sum()) == min(int(mine.sum()), 1)
        if bool(mine.any()):
            assert float(nearest.entries[kept]) == float(every.entries[mine].min())
    assert nearest.offsets.diff().tolist() == [min(count, 1) for count in every.offsets.diff().tolist()]
    assert nearest.rays[nearest.of_rays].tolist() == sorted(nearest.rays.tolist())


def test_no_boxes_are_no_hits() -> None:
    rays, rows = street.rays(0), placements_of(street.tracks())
    none = rows.chosen(torch.zeros(len(rows), dtype=torch.bool))
    assert rays.frames is not None and len(find_hits(rays, none, rays.frames)) == 0
