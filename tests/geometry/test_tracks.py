"""Tables of tracks and placements."""

from __future__ import annotations

import pytest
import torch

from nsg_cluster.geometry.tracks import ObjectTracks, frame_table, no_tracks


def two_cars() -> ObjectTracks:
    """Return car 7, which is away in frame 1, and truck 3, which has margins."""
    pose = torch.eye(4)[:3]
    empty = ObjectTracks(
        ids=(7, 3),
        class_names=("car", "truck"),
        classes=torch.tensor([0, 1]),
        sizes=torch.tensor([[4.0, 1.5, 2.0], [8.0, 3.0, 2.5]]),
        margins=torch.tensor([[1.0, 1.0, 1.0], [1.5, 1.0, 2.0]]),
        owners=torch.zeros(0, dtype=torch.long),
        frames=torch.zeros(0, dtype=torch.long),
        object_to_world=torch.zeros(0, 3, 4),
        table=frame_table(torch.zeros(0, dtype=torch.long), 4),
    )
    poses = torch.stack([pose + torch.tensor([0.0, 0.0, 0.0, float(x)]) for x in range(4)])
    return empty.placed(torch.tensor([0, 1, 0, 1]), torch.tensor([2, 1, 0, 0]), poses)


def test_rays_find_the_placements_of_their_own_frame() -> None:
    tracks = two_cars()
    assert tracks.at(torch.tensor([0, 1, 2, 3, 0])).tolist() == [[0, 1], [2, -1], [3, -1], [-1, -1], [0, 1]]
    assert tracks.owners.tolist() == [0, 1, 1, 0]
    assert tracks.object_to_world[:, 0, 3].tolist() == [2.0, 3.0, 1.0, 0.0]


def test_margins_widen_the_box_and_leave_the_label_alone() -> None:
    tracks = two_cars()
    labeled, wide = tracks.corners()[1], tracks.corners(with_margin=True)[1]
    assert (labeled.amax(0) - labeled.amin(0)).tolist() == [8.0, 3.0, 2.5]
    assert (wide.amax(0) - wide.amin(0)).tolist() == [12.0, 3.0, 5.0]
    middle = torch.cat([torch.tensor([3.0 + 6.0, 3.0, 3.0]), torch.ones(1)])
    torch.testing.assert_close(tracks.world_to_box[1] @ middle, torch.tensor([1.0, 0.0, 0.0]))


def test_an_object_may_stand_in_a_frame_more_than_once_and_leave_it() -> None:
    tracks = two_cars()
    crowd = tracks.placed(tracks.owners, torch.zeros_like(tracks.frames), tracks.object_to_world)
    assert crowd.table.tolist() == [[0, 1, 2, 3], [-1] * 4, [-1] * 4, [-1] * 4]
    without = tracks.kept(tracks.owners != tracks.index_of(3))
    assert without.table.tolist() == [[0], [-1], [1], [-1]]
    assert no_tracks(2).at(torch.tensor([1, 0])).tolist() == [[-1], [-1]]


def test_frames_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        frame_table(torch.tensor([0, 2]), 2)
