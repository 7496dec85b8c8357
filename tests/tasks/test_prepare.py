"""From a model to a trained field by one task; the next task finds the views rendered. Needs Blender."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nsg_cluster.config.compose import load
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import DataError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.tasks.prepare import is_idle, prepare
from nsg_cluster.tasks.stages import run_stages
from tests.objects.shapes import blender_or_skip, write_box

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
QUICK = [
    "data.views=12",
    "data.val_views=1",
    "data.test_views=3",
    "data.image_size=32",
    "data.samples=8",
    "model.hash_grid={levels: 4, features: 4, log2_table_size: 12, base_resolution: 8, max_resolution: 32}",
    "model.sampler={kind: occupancy, resolution: 32, warmup_steps: 32, steps_per_diagonal: 64}",
    "train.steps=120",
    "train.samples=8192",
    "render.formats=[gif]",
]


def experiment(folder: Path, *overrides: str) -> Experiment:
    model = f"data.model={write_box(folder)}"
    return load(CONFIGS / "shapenet_obj.yaml", [model, *QUICK, *overrides], variables={"storage": str(folder)})


def task(folder: Path) -> TaskPaths:
    folder.mkdir(parents=True, exist_ok=True)
    return TaskPaths(folder)


def test_a_model_is_rendered_trained_measured_and_shown(tmp_path: Path) -> None:
    blender_or_skip()
    spec, paths = experiment(tmp_path), task(tmp_path / "task")
    assert run_stages(spec, paths, stop=StopSignal()) == 0
    metrics = json.loads(paths.metrics.read_text())
    assert metrics["mean"]["psnr"] > 20.0
    assert metrics["mean"]["depth_error"] < 0.1
    assert {"test_depth.gif", "test.gif"} <= {file.name for file in paths.renders.iterdir()}
    # Another task with the same views finds them, and only looks.
    again = task(tmp_path / "again")
    assert run_stages(spec, again, stages=["prepare"], stop=StopSignal()) == 0
    progress = json.loads(again.progress.read_text())
    assert (progress["stage"], progress["step"], progress["steps"]) == ("prepare", 16, 16)


def test_a_task_may_render_alone(tmp_path: Path) -> None:
    blender_or_skip()
    spec, paths = experiment(tmp_path, "stages=[prepare]", "data.views=1", "data.test_views=1"), task(tmp_path / "task")
    assert run_stages(spec, paths, stop=StopSignal()) == 0
    assert not paths.checkpoints.exists()


def test_a_broken_model_fails_its_task_with_a_sentence(tmp_path: Path) -> None:
    spec, paths = experiment(tmp_path), task(tmp_path / "task")
    (tmp_path / "box.obj").write_text("")
    with pytest.raises(DataError, match=r"box\.obj: is empty"):
        prepare(spec, paths, StopSignal())


def test_other_data_need_nothing_made(tmp_path: Path) -> None:
    assert is_idle("prepare", load(CONFIGS / "quickstart.yaml", variables={"storage": str(tmp_path)}))
    assert not is_idle("prepare", experiment(tmp_path))
    assert not is_idle("train", experiment(tmp_path))
