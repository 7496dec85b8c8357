"""The whole path for real, a few seconds of it: file, run, training, pictures, video, report; killed and continued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.runs.control import resubmit
from nsg_cluster.runs.find import all_runs
from nsg_cluster.runs.status import read_run
from nsg_cluster.runs.submit import make_plan, submit
from tests.contract.runs import Bench, until

torch = pytest.importorskip("torch", reason="training needs the [train] packages")
CHECKOUT = Path(__file__).resolve().parents[2]
SPEC = """
name: tiny
data: {kind: synthetic, image_size: 16, train_views: 6, test_views: 2, supersample: 1}
model:
  kind: instant_ngp
  hash_grid: {levels: 4, log2_table_size: 10, base_resolution: 4, max_resolution: 32}
  hidden_width: 16
  direction_degree: 2
  sampler: {kind: occupancy, resolution: 16, update_every: 4, warmup_steps: 16, steps_per_diagonal: 48}
train: {steps: 200, rays: 64, samples: 2048, device: cpu, threads: 1, preview_every: null, checkpoint_every_s: 0.2}
render: {frames: 3, size: 16}
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a storage with an experiment that really trains."""
    monkeypatch.setenv("NSG_STORAGE", str(tmp_path))
    (tmp_path / "tiny.yaml").write_text(SPEC)
    return Bench(tmp_path)


def weights(run: RunPaths) -> dict[str, Any]:
    newest = max(run.task(0).checkpoints.glob("step-*.pt"))
    model: dict[str, Any] = torch.load(newest, weights_only=True)["model"]
    return model


def test_one_command_trains_evaluates_renders_and_reports(bench: Bench) -> None:
    argv = [sys.executable, str(CHECKOUT / "launch.py"), str(bench.root / "tiny.yaml")]
    ended = subprocess.run(argv, cwd="/", capture_output=True, check=False, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (run,) = all_runs(StoragePaths(bench.root))
    paths = run.task(0)
    for name, path in [
        ("report", run.report),
        ("pictures", paths.evaluation),
        ("video", paths.renders / "orbit.mp4"),
        ("metrics", paths.metrics),
        ("folder", run.root),
    ]:
        assert f"{name:<9} {path}" in ended.stdout.splitlines() and path.exists()
    row = read_run(run)
    assert row.state == "succeeded" and row.psnr and 5 < row.psnr < 60
    environment = json.loads(paths.environment.read_text())
    assert environment["torch"] == torch.__version__ and environment["threads"] == 1 and environment["kernels"]
    assert f"{row.psnr:.2f}" in run.report.read_text()


def test_a_run_that_is_killed_and_resubmitted_ends_with_the_very_same_weights(bench: Bench) -> None:
    file = bench.root / "tiny.yaml"
    killed = submit(make_plan(file, ["evaluate.max_views=1", "render.frames=1"]))
    until(lambda: list(killed.task(0).checkpoints.glob("step-*.pt")) or read_run(killed).is_final)
    os.kill(bench.stage_process(killed), signal.SIGKILL)
    assert bench.wait(killed).state == "failed"
    step = int(max(killed.task(0).checkpoints.glob("step-*.pt")).stem.removeprefix("step-"))
    assert 0 < step < 200, "it was killed in the middle"
    resubmit(killed)
    assert bench.wait(killed).state == "succeeded"
    whole = submit(make_plan(file, ["evaluate.max_views=1", "render.frames=1"]))
    assert bench.wait(whole).state == "succeeded"
    expected, found = weights(whole), weights(killed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_data_set_that_is_missing_is_a_mistake_of_the_user(bench: Bench) -> None:
    argv = [sys.executable, str(CHECKOUT / "launch.py"), str(bench.root / "tiny.yaml")]
    data = f"data={{kind: blender, root: {bench.root / 'nowhere'}}}"
    (bench.root / "tiny.yaml").write_text(SPEC.replace(SPEC.splitlines()[2] + "\n", ""))
    ended = subprocess.run([*argv, data, "--wait"], capture_output=True, check=False, text=True, timeout=300)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    assert str(bench.root / "nowhere") in ended.stderr
