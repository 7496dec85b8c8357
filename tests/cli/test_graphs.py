"""``data import-nsg``, and what is rendered from the run that it makes; objects of one run in another. About 25
seconds of a CPU.

Passes through `nsg_cluster.cli.data`, `nsg_cluster.runs.adopt`, `nsg_cluster.tasks.adopt`,
`nsg_cluster.training.adopt_nsg` and `nsg_cluster.outputs.stand_in`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from nsg_cluster.cli import main
from nsg_cluster.config.driving import KittiData
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.runs.find import run_id
from nsg_cluster.runs.submit import create, make_plan
from nsg_cluster.tasks.stages import read_spec
from nsg_cluster.training.loop import train
from tests.models import official, street


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


def train_street(folder: Path, name: str, model: dict[str, Any], **street_: Any) -> RunPaths:
    """Return a run that has trained on a street for a moment."""
    data = {"kind": "street", "width": 48, "height": 24, "frames": 5, "supersample": 1, **street_}
    steps = {"steps": 3, "rays": 64, "samples": None, "preview_every": None, "threads": 1, "device": "cpu"}
    document = {"name": name, "stages": ["train"], "data": data, "model": model, "train": steps}
    (folder / f"{name}.yaml").write_text(json.dumps(document))
    run = create(make_plan(folder / f"{name}.yaml"))
    train(read_spec(run.task(0)), run.task(0), stop=StopSignal())
    return run


@pytest.mark.parametrize("model", [street.NSG, street.FAST], ids=["nsg", "nsg_fast"])
def test_an_object_looks_in_another_run_as_in_its_own(
    model: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NSG_STORAGE", str(tmp_path))
    theirs = train_street(tmp_path, "theirs", model, cars=2)
    train_street(tmp_path, "ours", model, cars=3, seed=4)
    tracks = load_scene(read_spec(theirs.task(0)).data, with_images=False).tracks
    assert tracks is not None
    row = int(torch.nonzero((tracks.owners == tracks.index_of(1)) & (tracks.frames == 0))[0])
    pose, height = tracks.object_to_world[row], float(tracks.sizes[tracks.index_of(1), 1])
    at = (pose[:, 3] + pose[:, 1] * height / 2).tolist()
    yaw = math.degrees(math.atan2(float(pose[0, 2]), float(pose[0, 0])))
    inserted = {"from": run_id(theirs), "track": 1, "at": at, "yaw_deg": yaw}
    settings = ["render.frames=0", "render.formats=[png]", "render.depth=false", "render.nodes=true"]
    pictures = []
    for run, edits in (
        (run_id(theirs), [{"remove": 2}, {"only": "objects"}]),
        ("@last", [{"remove": [1, 2, 3]}, {"insert": inserted}, {"only": "objects"}]),
    ):
        assert main(["render", run, *settings, "render.out=out", f"render.edits={json.dumps(edits)}"]) == 0
        pictures.append(
            np.stack([read(tmp_path / "out" / "drive" / f"{side}_000000.png") for side in ("left", "right")])
        )
    assert pictures[0].std() > 1, "there is something to see"
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    table = (tmp_path / "out" / "drive_tables" / "000.txt").read_text().split()
    assert [float(word) for word in table[:3]] == pytest.approx(at, abs=1e-4) and table[4] == "-1"

    wrong = ["render", "@last", 'render.edits=[{"insert": {"from": "nobody", "track": 1, "at": [0, 0, 0]}}]']
    assert main(wrong) == 2
    assert "render.edits.0.insert.from: no run 'nobody'" in capsys.readouterr().err


def read(picture: Path) -> np.ndarray:
    with PIL.Image.open(picture) as image:
        return np.asarray(image.convert("RGB")).astype(float)
