"""The table of what is rendered where."""

from __future__ import annotations

import torch

from nsg_cluster.geometry.placements import placements_of
from tests.models import street


def test_rows_of_tracks_are_where_the_objects_were_observed() -> None:
    rows = placements_of(street.tracks())
    assert rows.objects.tolist() == [0, 0, 1] and rows.sources.tolist() == [0, 1, 2]
    assert rows.table.tolist() == [[0, -1], [1, 2]] and rows.num_frames == 2
    # On the ground, half a height below the middle; y is down.
    torch.testing.assert_close(rows.anchors[0], torch.tensor([8.0, 1.0, 1.0]))
    maps = rows.world_to_box[0]
    torch.testing.assert_close(maps[:, :3] @ torch.tensor([10.0, 1.0, 2.0]) + maps[:, 3], torch.ones(3))


def test_rows_are_chosen_and_joined_by_frame() -> None:
    rows = placements_of(street.tracks())
    chosen = rows.chosen(torch.tensor([2, 0]))
    assert chosen.objects.tolist() == [0, 1] and chosen.table.tolist() == [[0], [1]]
    joined = chosen.joined(rows)
    assert joined.frames.tolist() == [0, 0, 1, 1, 1] and joined.table.tolist() == [[0, 1, -1], [2, 3, 4]]
    empty = rows.chosen(rows.objects < 0)
    assert len(empty) == 0 and empty.table.tolist() == [[-1], [-1]]
