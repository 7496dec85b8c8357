"""Ways of objects: even speed, whatever the places."""

from __future__ import annotations

import torch

from nsg_cluster.models.ways import way_through


def test_steps_along_a_way_are_equally_long_and_end_at_its_last_place() -> None:
    places = [(0.0, 0.0, 0.0), (3.0, 0.0, 0.0), (3.0, 0.0, 0.0), (3.0, 0.0, 9.0)]
    middle = way_through(places, 13, None)[:, :, 3]
    torch.testing.assert_close(middle.diff(dim=0).norm(dim=1), torch.ones(12))
    assert middle[0].tolist() == [0, 0, 0] and middle[-1].tolist() == [3, 0, 9]


def test_who_does_not_go_anywhere_stands_along_x() -> None:
    for places in ([(1.0, 2.0, 3.0)], [(1.0, 2.0, 3.0), (1.0, 2.0, 3.0)]):
        pose = way_through(places, 3, None)
        assert torch.equal(pose[:, :, :3], torch.eye(3).expand(3, 3, 3))
        assert pose[:, :, 3].tolist() == [[1, 2, 3]] * 3
    assert way_through([(0.0, 0.0, 0.0), (5.0, 0.0, 0.0)], 1, None)[:, :, 3].tolist() == [[0, 0, 0]]
