"""What a drive has and lacks, and what is odd about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nsg_cluster.config.driving import KittiData, StreetData, VKitti2Data
from nsg_cluster.data.drives.report import missing_texts, read_drive, report_on, spread
from nsg_cluster.data.procedural.street import make_street


def street(**changes: Any) -> StreetData:
    return StreetData(kind="street", **({"width": 64, "height": 24, "frames": 8} | changes))


def kitti(root: Path, **changes: Any) -> KittiData:
    return KittiData(kind="kitti", root=str(root), **({"sequence": "0001", "frames": "5-30"} | changes))


def test_a_drive_without_fault_has_no_remarks() -> None:
    report = report_on(street(), make_street(street()).drive)
    assert not report.remarks
    assert not report.missing
    assert (report.frames, report.images, report.train_moments, report.test_moments) == (8, 16, 7, 1)
    assert report.way_m == pytest.approx(7 * 0.6, rel=0.02)
    assert [track.class_name for track in report.tracks] == ["car", "van", "car", "truck"]
    assert report.tracks[1].way_m == pytest.approx(7 * 0.7, rel=0.02)


def test_what_is_odd_is_said() -> None:
    config = street(ego_motion=False, move={2: (-20.5, 0.0, -3.6)}, insert={2: (-30.0, 0.0, -3.6)})
    drive = make_street(config).drive
    keep = ~((drive.tracks.owners == 2) & (drive.tracks.frames == 3))
    drive = replace(drive, tracks=drive.tracks.kept(keep & (drive.tracks.frames != 7)))
    remarks = "\n".join(report_on(config, drive).remarks)
    assert "the cameras stand still" in remarks
    assert "1 of 8 frames have no object, the first is 7" in remarks
    assert "track 3 vanishes and comes back; it has no box in 1 frames between" in remarks
    assert "a camera is inside the box of track 5 in frame" in remarks
    assert "boxes overlap" in remarks
    assert "tracks 1 and 2 in frame" in remarks


def test_what_is_missing_is_told_with_its_source(data_root: Path) -> None:
    config = kitti(data_root / "kitti")
    report = report_on(config, read_drive(config))
    left, right = report.missing
    assert (left.count, left.of, right.count) == (23, 26, 26)
    assert "left color images of tracking data set" in left.sentence()
    assert missing_texts(config) == []
    gone = missing_texts(kitti(data_root / "kitti", sequence="0009"))
    assert [item.what for item in gone] == ["calib/0009.txt", "oxts/0009.txt", "label_02/0009.txt"]


def test_a_data_set_that_is_nowhere_is_one_missing_thing(tmp_path: Path) -> None:
    (only,) = missing_texts(kitti(tmp_path / "none"))
    assert "cvlibs.net" in only.sentence()
    virtual = VKitti2Data(kind="vkitti2", root=str(tmp_path), scene="06")
    assert len(missing_texts(virtual)) == 4


def test_drives_without_any_image_have_the_usual_size(data_root: Path) -> None:
    drive = read_drive(kitti(data_root / "kitti", sequence="0006"))
    assert (drive.cameras.width, drive.cameras.height) == (1242, 375)
    assert torch.equal(drive.moments, torch.arange(26).repeat(2))


def test_items_are_chosen_evenly() -> None:
    assert spread(range(10), 3) == [0, 4, 9]
    assert spread(range(2), 5) == [0, 1]
    assert spread(range(9), 1) == [4]
