"""Views of different models or settings never come together in one folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nsg_cluster.core.errors import DataError, RunError
from nsg_cluster.core.paths import ObjectPaths
from nsg_cluster.objects.dataset import finish, is_finished, make_folders, take, views_of
from nsg_cluster.objects.records import describe
from tests.objects.shapes import settings, write_box


def test_a_folder_is_taken_once_and_again_by_the_same_only(tmp_path: Path) -> None:
    model = write_box(tmp_path)
    data, paths = settings(model, tmp_path / "out"), ObjectPaths(tmp_path / "out")
    make_folders(paths)
    assert take(paths, describe(data, model), again=False) == {}
    assert take(paths, describe(data, model), again=False)["complete"] is False
    other = data.model_copy(update={"image_size": 64})
    with pytest.raises(DataError, match=r"holds views of other settings \(image_size was 32\)"):
        take(paths, describe(other, model), again=False)
    model.write_text(model.read_text() + "\n")
    with pytest.raises(DataError, match=r"an older state of this model: 'box.obj' has changed; name another folder"):
        take(paths, describe(data, model), again=False)


def test_replacing_removes_the_views_and_nothing_else(tmp_path: Path) -> None:
    model = write_box(tmp_path)
    data, paths = settings(model, tmp_path / "out"), ObjectPaths(tmp_path / "out")
    make_folders(paths)
    take(paths, describe(data, model), again=False)
    paths.image("train", 0).write_bytes(b"picture")
    paths.depth("train", 0).write_bytes(b"depth")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert take(paths, describe(data.model_copy(update={"seed": 1}), model), again=True) == {}
    assert not paths.image("train", 0).exists()
    assert not paths.depth("train", 0).exists()
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_view_is_finished_when_all_its_files_are_there(tmp_path: Path) -> None:
    data, paths = settings(write_box(tmp_path), tmp_path / "out", normals=True), ObjectPaths(tmp_path / "out")
    make_folders(paths)
    view = views_of(data)[0]
    for file in (paths.depth("train", 0), paths.normal("train", 0), paths.image("train", 0)):
        assert not is_finished(paths, view, data)
        file.write_bytes(b"x")
    assert is_finished(paths, view, data)
    paths.image("train", 0).write_bytes(b"")
    assert not is_finished(paths, view, data)


def test_the_cameras_hold_exact_intrinsics_and_the_splits_in_order(tmp_path: Path) -> None:
    model = write_box(tmp_path)
    data, paths = settings(model, tmp_path / "out", cameras={"focal": 2.0}), ObjectPaths(tmp_path / "out")
    make_folders(paths)
    finish(paths, data, views_of(data), describe(data, model))
    document = json.loads(paths.transforms("test").read_text())
    assert {key: document[key] for key in ("fl_x", "fl_y", "cx", "cy", "w", "h")} == {
        "fl_x": 64.0,
        "fl_y": 64.0,
        "cx": 16.0,
        "cy": 16.0,
        "w": 32,
        "h": 32,
    }
    assert [frame["file_path"] for frame in document["frames"]] == [f"./test/r_00{index}" for index in range(4)]
    assert json.loads(paths.record.read_text())["complete"] is True


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(RunError, match="a data set cannot be written there"):
        make_folders(ObjectPaths(tmp_path / "out"))
