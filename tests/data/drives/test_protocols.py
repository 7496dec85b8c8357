"""Benchmark protocols: frames of drives, and moments that are held out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from nsg_cluster.config.driving import KittiData, VKitti2Data, frame_ranges
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.protocols import chosen_frames, split_moments


def kitti(**changes: Any) -> KittiData:
    return KittiData(kind="kitti", root="/data", **({"sequence": "0006"} | changes))


def test_ranges_are_read_and_refused() -> None:
    assert frame_ranges("0-20, 65-120,130") == [(0, 20), (65, 120), (130, 130)]
    for wrong in ("20-0", "5-8,7-9", "x", "", "3-"):
        with pytest.raises(ValueError, match=r"must run forwards|is no frame"):
            frame_ranges(wrong)
    with pytest.raises(ValidationError, match="must run forwards"):
        kitti(frames="9-3")


def test_frames_are_those_asked_for_or_of_the_protocol_or_all() -> None:
    assert chosen_frames(kitti(), 270) == tuple(range(65, 121))
    assert chosen_frames(kitti(protocol="nsg_paper"), 270) == (*range(21), *range(65, 121))
    assert chosen_frames(kitti(frames="3-4"), 270) == (3, 4)
    assert chosen_frames(kitti(sequence="0016"), 9) == tuple(range(9))
    virtual = VKitti2Data(kind="vkitti2", root="/data", scene="18")
    assert chosen_frames(virtual, 339) == tuple(range(273, 339))
    with pytest.raises(DataError, match=r"frames of protocol suds_75 \(65-120\) go beyond .* which is 99"):
        chosen_frames(kitti(), 100)


@pytest.mark.parametrize(
    ("protocol", "held_out"),
    [
        ("suds_75", [4, 8, 12]),
        ("suds_50", [2, 4, 6, 8, 10, 12]),
        ("suds_25", [1, 2, 3, 5, 6, 7, 9, 10, 11, 13]),
        ("mars", [3, 7, 11]),
        ("nsg_paper", [10]),
    ],
)
def test_each_protocol_holds_out_its_own_moments(protocol: str, held_out: list[int]) -> None:
    split = split_moments(kitti(protocol=protocol), 14)
    assert list(split.test) == held_out
    assert sorted([*split.train, *split.test]) == list(range(14))


def test_reconstruction_evaluates_what_it_trains_on_and_a_count_overrules_the_protocol() -> None:
    assert split_moments(kitti(protocol="reconstruction"), 3) == split_moments(kitti(protocol="reconstruction"), 3)
    assert split_moments(kitti(protocol="reconstruction"), 3).test == (0, 1, 2)
    assert split_moments(kitti(protocol="reconstruction", hold_out_every=4), 9).test == (3, 7)
    with pytest.raises(DataError, match="suds_75 holds out nothing of 3 frames"):
        split_moments(kitti(), 3)
