"""``data import-nsg``, and what is rendered from the run that it makes. About 15 seconds of a CPU.

Passes through `nsg_cluster.cli.data`, `nsg_cluster.runs.adopt`, `nsg_cluster.tasks.adopt`,
`nsg_cluster.training.adopt_nsg` and `nsg_cluster.outputs.stand_in`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from nsg_cluster.cli import main
from nsg_cluster.config.driving import KittiData
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.tasks.stages import read_spec
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
    stand_in = ["data", "stand-in", "./here", "again", "--size", "104", "--frames", "119-120", "--cameras", "right"]
    assert main(stand_in) == 0
    read_back(tmp_path / "again", tmp_path / "here")
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


def read_back(root: Path, run: Path) -> None:
    """A stand-in is a KITTI folder with smaller pictures, through the same cameras, that says what it is."""
    spec = read_spec(RunPaths(run).task(0))
    assert isinstance(spec.data, KittiData)
    changed = {"root": str(root), "frames": "119-120", "cameras": "right", "image_size": None}
    scene = load_scene(spec.data.model_copy(update=changed))
    assert scene.train.images.shape == (2, 31, 104, 3) and scene.train.images.float().std() > 30
    assert scene.train.cameras.focal_px[0, 0] == pytest.approx(721.5377 * 104 / 1242, rel=1e-6)
    assert "not photographs of KITTI" in (root / "RENDERED.txt").read_text()


def test_a_folder_without_weights_makes_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["data", "import-nsg", "empty", "run"]) == 2
    assert "holds no model_<step>.npy" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]
