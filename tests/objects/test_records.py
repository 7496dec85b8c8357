"""Views of another state of a model are not taken for those of this one, and it is said why."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.core.paths import ObjectPaths
from nsg_cluster.objects import records
from nsg_cluster.objects.records import Record, age_notes, describe, difference, read_record, state_note
from tests.objects.shapes import settings, write_box


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The box with a texture."""
    model = write_box(tmp_path / "box")
    (tmp_path / "box" / "box.mtl").write_text("newmtl right\nmap_Kd wood.png\n")
    (tmp_path / "box" / "wood.png").write_bytes(b"oak")
    return model


def record(model: Path, **changes: Any) -> Record:
    return describe(settings(model, model.parent / "out", **changes), model)


def written(model: Path, content: Record) -> ObjectPaths:
    """Return the files of a data set of which a record is there."""
    paths = ObjectPaths(model.parent / "out")
    paths.root.mkdir(exist_ok=True)
    paths.record.write_text(json.dumps(content))
    return paths


def told(model: Path, found: Record) -> str | None:
    return difference(read_record(written(model, found)) or {}, record(model), ObjectPaths(model.parent / "out"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("box.obj", "an older state of this model: 'box.obj' has changed"),
        ("box.mtl", "an older state of this model: 'box.mtl' has changed"),
        ("wood.png", "an older state of this model: 'wood.png' has changed"),
    ],
)
def test_each_file_that_has_changed_is_named(model: Path, name: str, words: str) -> None:
    before = record(model)
    assert told(model, before) is None
    with (model.parent / name).open("a") as file:
        file.write("\n")
    assert told(model, before) == words


def test_files_that_come_and_go_are_named(model: Path) -> None:
    before = record(model)
    (model.parent / "wood.png").rename(model.parent / "elm.png")
    assert told(model, before) == "an older state of this model: 'wood.png' is gone"
    after = record(model)
    (model.parent / "elm.png").rename(model.parent / "wood.png")
    assert told(model, after) == "an older state of this model: 'wood.png' was not there"


def test_another_model_is_named_and_one_that_was_moved_is_the_same(model: Path, tmp_path: Path) -> None:
    other = write_box(tmp_path / "other", unit=2.0)
    assert told(model, record(other)) == f"another model, {other}"
    before = record(model)
    model.parent.rename(tmp_path / "moved")
    assert told(tmp_path / "moved" / "box.obj", before) is None


def test_other_settings_are_named(model: Path) -> None:
    assert told(model, record(model, image_size=64)) == "other settings (image_size was 64)"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"settings": 3}'])
def test_a_damaged_record_is_told(model: Path, content: str) -> None:
    paths = written(model, {})
    paths.record.write_text(content)
    found = read_record(paths)
    assert found is not None
    assert difference(found, record(model), paths) == "what cannot be told: objects.json is damaged"


def old(model: Path) -> Record:
    """Return the record of a version that noted the bytes of the model's own file alone."""
    now = record(model)
    return {"model": now["model"], "digest": now["sources"][0][1], "settings": now["settings"], "complete": True}


def test_finished_views_of_an_older_version_are_kept_and_it_is_said_what_is_not_known(model: Path) -> None:
    found = old(model)
    assert told(model, found) is None
    assert [note.partition(";")[0] for note in age_notes(found, record(model))] == [
        "rendered by a version that did not note materials and textures"
    ]
    model.write_text(model.read_text().replace("mtllib", "#"))
    assert told(model, found) == "another model, or an older state of this one (box.obj has changed)"
    assert age_notes(old(model), record(model)) == [], "there is nothing that it could have missed"


def test_views_of_an_older_version_are_not_taken_where_a_texture_is_newer(model: Path) -> None:
    paths = written(model, old(model))
    later = paths.record.stat().st_mtime + 60
    os.utime(model.parent / "wood.png", (later, later))
    said = difference(read_record(paths) or {}, record(model), paths)
    assert said is not None
    assert "'wood.png' is newer than they are" in said


def test_what_a_check_says_of_views_whose_model_has_changed_or_is_gone(model: Path) -> None:
    written(model, record(model))
    data = settings(model, model.parent / "out")
    assert state_note(data) is None
    (model.parent / "wood.png").write_bytes(b"elm")
    assert str(state_note(data)).startswith("these are views of an older state of this model: 'wood.png' has changed: ")
    model.unlink()
    assert str(state_note(data)).startswith(f"{model}: there is no such file")


def test_another_way_of_rendering_is_told_of_finished_views_and_never_mixed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = record(model)
    monkeypatch.setattr(records, "RENDERING", found["rendering"] + 1)
    assert told(model, found | {"complete": True}) is None
    assert "--again renders them anew" in age_notes(found, record(model))[0]
    assert "and not all of them are there" in str(told(model, found | {"complete": False}))
