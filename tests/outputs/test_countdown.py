"""How far a stage is."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.outputs import countdown
from nsg_cluster.outputs.countdown import Countdown


class FakeTime:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1e9 + self.now


def test_the_file_is_written_once_a_second_and_at_the_end_and_a_line_every_ten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeTime()
    monkeypatch.setattr(countdown, "time", clock)
    paths = TaskPaths(tmp_path)
    stage = Countdown(paths, "evaluate", images=50, rays_per_image=100)
    files = []
    with caplog.at_level(logging.INFO):
        for image in range(1, 51):
            clock.now += 0.4
            stage.done(image, {"psnr": 30.0})
            files.append(read_json(paths.progress)["step"] if paths.progress.exists() else 0)
    assert files[:6] == [0, 0, 3, 3, 3, 6]
    assert files[-1] == 50
    assert [record.getMessage() for record in caplog.records] == [
        "evaluate: image 25/50  psnr 30.00  10s left",
        "evaluate: image 50/50  psnr 30.00  0s left",
    ]
    last = read_json(paths.progress)
    assert last["stage"] == "evaluate"
    assert (last["step"], last["steps"], last["eta_s"], last["psnr"]) == (50, 50, 0, 30.0)
    assert last["rays_per_s"] == pytest.approx(250)
    assert last["time"] == clock.time()
