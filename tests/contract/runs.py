"""Runs with a fake in the place of training: real processes, files and signals, each a moment long."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.runs.find import all_runs
from nsg_cluster.runs.status import RunRow, read_run
from nsg_cluster.runs.submit import make_plan, submit
from nsg_cluster.tasks.status import read_status

__all__ = ["Bench", "bench", "children_of", "until"]

FAKE = Path(__file__).parent / "fake_training"
SPEC = """\
name: tiny
description: {description}
data: {{kind: synthetic, image_size: 16, train_views: 4, test_views: 2}}
model: {{kind: instant_ngp}}
train: {{steps: {steps}}}
resources: {{walltime: {walltime}}}
"""
PATIENCE_S = 60.0


def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    text = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(word) for word in text.split()]


class Bench:
    """A storage, an experiment's file, and what tests do with runs."""

    run: RunPaths
    """The run that a test is about, where there is one."""

    def __init__(self, root: Path, site: str | None = None) -> None:
        self.root, self.site = root, site
        self.storage = StoragePaths(root)

    def write(self, *, description: str = "''", steps: int = 2, walltime: str = "null") -> Path:
        """Write the experiment's file."""
        path = self.root / "tiny.yaml"
        path.write_text(SPEC.format(description=description, steps=steps, walltime=walltime))
        return path

    def submit(self, *overrides: str, max_parallel: int | None = None, **settings: object) -> RunPaths:
        """Start a run."""
        file = self.write(**settings)  # type: ignore[arg-type]
        return submit(make_plan(file, overrides, site=self.site, max_parallel=max_parallel))

    def wait(self, run: RunPaths) -> RunRow:
        """Wait for the end of a run."""
        until(lambda: read_run(run).is_final, f"the end of {run.root}")
        return read_run(run)

    def wait_for_step(self, run: RunPaths, step: int = 1, index: int = 0) -> None:
        """Wait until a task has come to a step."""
        path = run.task(index).progress
        until(lambda: path.exists() and read_json(path)["step"] >= step, f"step {step} of {path}")

    def stage_process(self, run: RunPaths, index: int = 0) -> int:
        """Return the process that trains."""
        watcher = read_status(run.task(index)).pid
        assert watcher is not None
        (stage,) = children_of(watcher)
        return stage

    def end_everything(self) -> None:
        """Kill what a failed test has left running."""
        for run in all_runs(self.storage):
            for path in (run.supervisor, *(run.task(index).status for index in range(len(list(run.tasks.iterdir()))))):
                with suppress(Exception):
                    pid, start = (read_json(path)[key] for key in ("pid", "pid_start"))
                    from nsg_cluster.core.process import is_alive

                    if pid != os.getpid() and is_alive(pid, start):
                        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Return a bench in a folder of its own."""
    monkeypatch.setenv("NSG_STORAGE", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    found = Bench(tmp_path)
    yield found
    found.end_everything()


def names(paths: Sequence[Path]) -> list[str]:
    """Return the names of files."""
    return sorted(path.name for path in paths)
