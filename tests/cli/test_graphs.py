"""``data import-nsg``, and what is rendered from the run that it makes. About 10 seconds of a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from nsg_cluster.cli import main
from tests.models import official


def test_official_weights_become_a_run_that_renders_any_frame_of_any_camera(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    imported = ["data", "import-nsg", str(data_root / official.WEIGHTS), "here"]
    assert main([*imported, "--root", str(data_root / "kitti")]) == 0
    assert main([*imported, "--root", str(data_root / "kitti")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here"], "nothing else is left"

    settings = ["render.frames=120", "render.cameras=right", "render.size=207", "render.out=out", "render.depth=false"]
    assert main(["render", "./here", *settings]) == 0
    [picture] = (tmp_path / "out" / "drive").iterdir()
    assert picture.name == "right_000120.png"
    with (
        PIL.Image.open(picture) as small,
        PIL.Image.open(data_root / official.WEIGHTS / "tboard_val_imgs" / "716500.png") as whole,
    ):
        ours = np.asarray(small).astype(float)
        truth = np.asarray(whole.convert("RGB").resize(small.size, PIL.Image.Resampling.BOX)).astype(float)
    # A small picture has one ray where the truth has the mean of 36 pixels.
    assert 20 * np.log10(255 / np.sqrt(np.mean((ours - truth) ** 2))) > 20


def test_a_folder_without_weights_makes_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["data", "import-nsg", "empty", "run"]) == 2
    assert "holds no model_<step>.npy" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]
