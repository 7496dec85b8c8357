"""The text files of KITTI tracking: both spellings, and everything that can be wrong with a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.kitti_files import read_calibration, read_labels, read_oxts

CALIBRATION = """P0: 1 0 0 0 0 1 0 0 0 0 1 0
P2: 700 0 600 40 0 700 180 0.2 0 0 1 0.003
P3: 700 0 600 -340 0 700 180 2.2 0 0 1 0.003
R_rect 1 0 0 0 1 0 0 0 1
Tr_velo_cam 0 -1 0 1 0 0 -1 2 1 0 0 3
Tr_imu_velo 1 0 0 4 0 1 0 5 0 0 1 6
"""
LABEL = "3 7 Car 0 0 -1.5 10 20 30 40 1.5 1.6 4.0 2.0 1.7 20.0 0.1"


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "0000.txt"
    file.write_text(text)
    return file


def test_both_spellings_and_blanks_at_the_end_give_the_same_calibration(tmp_path: Path) -> None:
    plain = read_calibration(write(tmp_path, CALIBRATION))
    other = CALIBRATION.replace("R_rect", "R0_rect:").replace("Tr_velo_cam", "Tr_velo_to_cam:")
    other = other.replace("Tr_imu_velo", "Tr_imu_to_velo:").replace("700", "7.0e+02").replace("\n", "  \n")
    colons = read_calibration(write(tmp_path, other))
    for name in plain.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(plain, name), getattr(colons, name))
    assert plain.right[0, 3] == -340
    assert plain.velodyne_to_camera[:, 3].tolist() == [1, 2, 3, 1]


def test_the_real_files_of_two_sequences_are_read(data_root: Path) -> None:
    kitti = data_root / "kitti" / "training"
    assert read_calibration(kitti / "calib" / "0006.txt").left[0, 0] == 721.5377
    assert len(read_oxts(kitti / "oxts" / "0006.txt")) == 270
    labels = read_labels(kitti / "label_02" / "0001.txt", ["Car", "Pedestrian"])
    assert {row.type for row in labels.rows} == {"Car", "Pedestrian"}
    assert "DontCare" not in labels.passed_over


def test_sizes_are_put_in_order_and_a_score_is_allowed(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, f"{LABEL}\n4{LABEL[1:]} 0.99\n"), ["Car"])
    assert [row.frame for row in labels.rows] == [3, 4]
    assert labels.rows[0].size == (4.0, 1.5, 1.6)
    assert labels.rows[0].bottom == (2.0, 1.7, 20.0)


def test_dont_care_is_no_object_and_unknown_types_are_counted(tmp_path: Path) -> None:
    dont_care = "3 -1 DontCare -1 -1 -10 1 2 3 4 -1000 -1000 -1000 -10 -1 -1 -1"
    unknown = LABEL.replace("7 Car", "8 Spaceship")
    labels = read_labels(write(tmp_path, "\n".join([dont_care, LABEL, unknown])), ["Car"])
    assert len(labels.rows) == 1
    assert labels.passed_over == {"Spaceship": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LABEL.rsplit(" ", 1)[0], ":1: has 16 fields; a label has 17"),
        (f"{LABEL}\n{LABEL} 1 2", ":2: has 19 fields"),
        (LABEL.replace("20.0", "far"), ":1: 'far' in this line is not a finite number"),
        (LABEL.replace("20.0", "nan"), ":1: 'nan'"),
        (f"{LABEL}\n\n{LABEL}", ":3: track 7 is in frame 3 already, in line 1"),
        (LABEL.replace("1.5 1.6 4.0", "1.5 0 4.0"), ":1: the box of track 7 has no size"),
        (LABEL.replace("3 7", "3.5 7"), ":1: frame and track must be whole numbers, not 3.5 and 7"),
    ],
)
def test_a_broken_label_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_labels(write(tmp_path, text), ["Car"])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_calibration_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"has no R_rect \(also spelled R0_rect\); it has P0, P2, P3, Rectify, Tr_velo_cam"
    ):
        read_calibration(write(tmp_path, CALIBRATION.replace("R_rect", "Rectify")))
    with pytest.raises(DataError, match="P2 has 11 numbers; it must have 12"):
        read_calibration(write(tmp_path, CALIBRATION.replace("P2: 700 0", "P2: 700")))
    with pytest.raises(DataError, match=r"0000.txt:4: 'x' in R_rect is not a finite number"):
        read_calibration(write(tmp_path, CALIBRATION.replace("R_rect 1", "R_rect x")))
    with pytest.raises(DataError, match="there is no such file"):
        read_calibration(tmp_path / "none.txt")


def test_a_broken_line_of_gps_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0000.txt:2: has 5 numbers; it must begin with latitude"):
        read_oxts(write(tmp_path, "49 8 100 0 0 0 1 2\n49 8 100 0 0\n"))
    with pytest.raises(DataError, match="is empty"):
        read_oxts(write(tmp_path, "\n"))
