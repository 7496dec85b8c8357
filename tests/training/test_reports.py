"""What a training says about itself."""

from __future__ import annotations

from pathlib import Path

from nsg_cluster.core.files import read_jsonl
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.training.loop import train
from nsg_cluster.training.reports import Clock
from tests.training.tiny import tiny


def test_a_clock_goes_on_from_where_the_last_attempt_stopped() -> None:
    clock = Clock(100.0, 200.0)
    assert 100.0 <= clock.cpu_s < 110.0
    assert 200.0 <= clock.wall_s < 260.0


def test_scalars_are_means_since_the_last_ones_and_the_last_step_always_has_some(tmp_path: Path) -> None:
    paths = TaskPaths(tmp_path)
    train(tiny(train={"steps": 11, "log_every": 1}), paths, stop=StopSignal())
    every = {event["step"]: event["loss"] for event in read_jsonl(paths.events) if "loss" in event}
    paths = TaskPaths(tmp_path / "seldom")
    paths.root.mkdir()
    train(tiny(train={"steps": 11, "log_every": 5}), paths, stop=StopSignal())
    seldom = {event["step"]: event["loss"] for event in read_jsonl(paths.events) if "loss" in event}
    assert sorted(every) == list(range(1, 12))
    assert sorted(seldom) == [5, 10, 11]
    assert abs(seldom[10] - sum(every[step] for step in range(6, 11)) / 5) < 1e-6
    assert abs(seldom[11] - every[11]) < 1e-7
