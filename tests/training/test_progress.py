"""What a waiting person sees."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
import torch

from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.training.progress import Progress, psnr_of


def test_psnr_follows_its_definition() -> None:
    assert psnr_of(0.01) == pytest.approx(20)
    assert psnr_of(1.0) == 0
    assert psnr_of(0.0) == pytest.approx(120), "a perfect picture has a finite number"


def steps(report: Progress, first: int, last: int) -> None:
    for step in range(first, last + 1):
        report.step_done(step, rays=10, samples=40, loss=torch.tensor(0.5), squared_error=torch.tensor(0.01))


def test_the_file_is_written_at_most_once_a_second_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, now = TaskPaths(tmp_path), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    report = Progress(paths, 200, torch.device("cpu"))
    steps(report, 1, 9)
    assert not paths.progress.exists()
    now[0] += 2.0
    steps(report, 10, 12)
    seen = read_json(paths.progress)
    expected = {"stage": "train", "step": 10, "steps": 200, "steps_per_s": 5.0, "rays_per_s": 50.0}
    expected |= {"samples_per_ray": 4.0, "loss": 0.5, "psnr": pytest.approx(20), "eta_s": 38.0}
    assert expected.items() <= seen.items()
    assert seen["memory_bytes"] > 1 << 20 and abs(seen["time"] - time.time()) < 60
    steps(report, 200, 200)
    assert read_json(paths.progress)["step"] == 200


def test_a_batch_log_gets_one_plain_line_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    caplog.set_level(logging.INFO, "nsg_cluster")
    monkeypatch.setattr(logging.getLogger("nsg_cluster"), "propagate", True)
    report = Progress(TaskPaths(tmp_path), 1000, torch.device("cpu"))
    for step in range(1, 31):
        now[0] += 1.0
        steps(report, step, step)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert lines[0].startswith(
        "step 10/1000  1.0 steps/s  10 rays/s  4.0 samples/ray  loss 0.50000  PSNR 20.00 dB  16m"
    )
    assert lines[0].isprintable()
