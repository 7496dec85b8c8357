"""Places of objects in text files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nsg_cluster.config.edits import EditConfig
from nsg_cluster.core.errors import ConfigError, DataError
from nsg_cluster.geometry.placements import Placements
from nsg_cluster.models.edits import apply_edits
from nsg_cluster.models.tables_by_hand import hand_table, table_name
from tests.models.test_edits import edited, middles


def by_hand(folder: Path, frames: tuple[int, ...] = (1, 1, 0)) -> Placements:
    edit = EditConfig.model_validate({"manipulate": {"name": "handcrafted", "tables": str(folder)}})
    return apply_edits([edit], edited(frames=frames), lambda insert: pytest.fail(str(insert))).rows


def write(folder: Path, rows: Placements) -> None:
    for picture in range(rows.num_frames):
        text = hand_table(rows.chosen(rows.frames == picture), (7, 3), (1, 0, 0))
        (folder / table_name(picture)).write_text(text)


def test_tables_that_were_written_put_everything_back_to_where_it_stood(tmp_path: Path) -> None:
    moved = edited({"move": {"track": 7, "by": [1, 0, 2]}}, {"rotate": {"by_deg": 40}}, frames=(1, 1, 0)).rows
    write(tmp_path, moved)
    found = by_hand(tmp_path)
    assert found.objects.tolist() == moved.objects.tolist() and found.frames.tolist() == moved.frames.tolist()
    torch.testing.assert_close(found.object_to_world, moved.object_to_world)
    assert torch.equal(found.sizes, moved.sizes) and (found.sources == -1).all()


def test_a_table_of_the_original_replaces_the_objects_of_its_picture_alone(tmp_path: Path) -> None:
    # Two lines as the original writes them: pose, track, size, class; and a slot that is not used.
    (tmp_path / "001.txt").write_text(
        "4.000000000000000000e+00 1.000000000000000000e+00 -2.000000000000000000e+00 1.570796326794896558e+00 3.0e+00 "
        "2.0e+00 2.0e+00 2.0e+00 0.0e+00\n"
        "-1 -1 -1 -1 -1.0e+00 -1 -1 -1 -1\n"
    )
    rows = by_hand(tmp_path)
    assert rows.frames.tolist() == [0, 0, 1, 2] and rows.objects.tolist() == [0, 1, 1, 0]
    assert middles(rows.chosen(rows.frames == 1), 1) == [[4, 0, -2]]
    torch.testing.assert_close(rows.object_to_world[2, :, 0], torch.tensor([0.0, 0.0, -1.0]), atol=1e-6, rtol=0)
    (tmp_path / "001.txt").write_text("# nothing stands here\n")
    assert by_hand(tmp_path).frames.tolist() == [0, 0, 2]


def test_objects_of_other_runs_are_written_and_passed_over(tmp_path: Path) -> None:
    rows = edited({"insert": {"track": 3, "at": [0, 1, 0]}}, frames=(0,)).rows
    text = hand_table(rows, (7, 3), (1,) * 10)
    assert [line.split()[4] for line in text.splitlines()] == ["7", "-1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3 0\n", r"000\.txt:1: must begin with five numbers"),
        ("1 2 3 0 3\n\n1 2 x 0 3\n", r"000\.txt:3: must begin with five numbers"),
        ("1 2 3 0 3.5\n", "and a whole track"),
        ("1 2 nan 0 3\n", "must begin with five numbers"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "000.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        by_hand(tmp_path)


def test_a_track_or_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds none of 000\.txt … 002\.txt"):
        by_hand(tmp_path)
    (tmp_path / "000.txt").write_text("1 2 3 0 5\n")
    with pytest.raises(ConfigError, match=r"render\.edits\.0: there is no track 5 in this run"):
        by_hand(tmp_path)
    for document in ({"name": "handcrafted"}, {"name": "dance", "tables": str(tmp_path)}):
        with pytest.raises(ValueError, match="needs tables"):
            EditConfig.model_validate({"manipulate": document})
