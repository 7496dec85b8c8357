"""Run folders like those that training leaves, with small real pictures and a real video."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.documents import dump_yaml
from nsg_cluster.core.paths import RunPaths, TaskPaths

Build = Callable[..., RunPaths]
VIEWS = (("r_0", 31.25, 0.9612), ("r_1", 24.5, 0.9), ("r_2", 33.0, 0.97))


def experiment(**changes: Any) -> Experiment:
    """Return a valid experiment."""
    return Experiment.model_validate(
        {"name": "toy", "description": "Three boxes.", "data": {"kind": "synthetic"}, "model": {"kind": "instant_ngp"}}
        | changes
    )


def write_picture(path: Path, hue: int, size: int = 24) -> None:
    """Write a small PNG with a gradient."""
    image = pytest.importorskip("PIL.Image", reason="Pillow comes with nsg-cluster[report]")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = image.new("RGB", (size, size))
    picture.putdata([(hue, 10 * x % 256, 10 * y % 256) for y in range(size) for x in range(size)])
    picture.save(path)


def write_video(folder: Path, stem: str) -> None:
    """Write a second of video as MP4 and GIF."""
    imageio = pytest.importorskip("imageio", reason="imageio comes with nsg-cluster[train]")
    numpy = pytest.importorskip("numpy")
    folder.mkdir(parents=True, exist_ok=True)
    frames = [numpy.full((32, 32, 3), 8 * index, dtype=numpy.uint8) for index in range(12)]
    imageio.mimwrite(folder / f"{stem}.mp4", frames, fps=12, codec="libx264", macro_block_size=1)
    imageio.mimwrite(folder / f"{stem}.gif", frames, duration=1000 / 12, loop=0)


def write_task(task: TaskPaths, spec: Experiment, *, psnr: float = 30.0) -> None:
    """Write the files of a task that succeeded, but for its video."""
    task.root.mkdir(parents=True)
    task.spec.write_text(dump_yaml(spec.model_dump(mode="json", by_alias=True)))
    start = 1.7e9
    status = {"state": "succeeded", "attempt": 1, "started": start, "ended": start + 95, "host": "node7"}
    task.status.write_text(json.dumps(status))
    environment = {
        "python": "3.11.2",
        "torch": "2.13.0",
        "cpu_model": "Example CPU",
        "threads": 2,
        "git_commit": "c0ffee",
    }
    task.environment.write_text(json.dumps(environment))
    events: list[dict[str, Any]] = [
        {"step": step, "time": start + step / 20, "cpu_s": step / 10, "loss": math.exp(-step / 400) + 0.004,
         "psnr": 8 + 3 * math.log(step), "lr": 0.01 * 0.033 ** (step / 2000), "rays": 1000 + step, "samples": 32768}
        for step in range(50, 2001, 50)
    ]  # fmt: skip
    events.insert(3, {"step": 150, "time": start, "notice": "training starts again from seed 1", "level": "warning"})
    task.events.write_text("".join(json.dumps(event) + "\n" for event in events))
    metrics = {
        "split": "val", "views": 3, "step": 2000, "background": "white",
        "mean": {"psnr": psnr, "ssim": 0.9437, "lpips": None}, "absent": {"lpips": "its weights are not installed"},
        "per_view": [{"name": name, "psnr": value, "ssim": ssim} for name, value, ssim in VIEWS],
        "train_seconds": 90.0, "train_cpu_seconds": 176.5, "render_rays_per_cpu_s": 51234.0, "notes": [],
    }  # fmt: skip
    task.metrics.write_text(json.dumps(metrics))
    for index, (name, _, _) in enumerate(VIEWS):
        for offset, ending in enumerate(("", "_truth", "_error", "_depth")):
            write_picture(task.evaluation / f"{name}{ending}.png", 60 * offset + 20 * index)


@pytest.fixture
def build_run(tmp_path: Path) -> Build:
    """Return a function that writes a run of one task for each set of changes to an experiment."""

    def build(*changes: dict[str, Any], name: str = "20261121-071012-ab12cd", video: bool = False) -> RunPaths:
        run = RunPaths(tmp_path / "runs" / "toy" / name)
        run.tasks.mkdir(parents=True)
        run.record.write_text(json.dumps({"experiment": "toy"}))
        for index, change in enumerate(changes or ({},)):
            write_task(run.task(index), experiment(**change), psnr=30.0 + index)
            if video:
                write_video(run.task(index).renders, "orbit")
        return run

    return build
