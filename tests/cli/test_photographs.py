"""``data check`` of scenes that do not move, as its users meet it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_drives import Output, experiment, said


def test_scenes_that_do_not_move_are_described_and_drawn(tmp_path: Path, capsys: Output) -> None:
    file = experiment(tmp_path, {"kind": "synthetic", "image_size": 8, "train_views": 3, "test_views": 2})
    told = said(capsys, 0, "check", file, "--out", tmp_path / "pictures")
    assert "3 images of 8x8 to train on, 2 held out" in told
    assert "pixels look past it" in told
    report = json.loads(said(capsys, 0, "check", file, "--json", "--out", tmp_path / "pictures", "--views", 1))
    assert (report["complete"], report["test"]["images"], report["test"]["size"]) == (True, 2, [8, 8])
    assert [Path(path).name for path in report["pictures"]] == ["cameras.png", "view_r_1.png"]
    assert all(Path(path).is_file() for path in report["pictures"])
