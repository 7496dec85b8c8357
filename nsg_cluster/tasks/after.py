"""Runs that must have succeeded before a task begins: whether they have, from their files alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nsg_cluster.core.paths import RunPaths
from nsg_cluster.tasks.status import TaskStatus, current_status

__all__ = ["Verdict", "verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to become of a task that waits for runs."""

    kind: Literal["met", "not yet", "never"]
    reason: str = ""
    """Which run it waits for, or which has failed; a sentence."""
    run: RunPaths | None = None
    """That run."""
    job: str = ""
    """The job of a task of it that goes on."""


def verdict(folders: Sequence[str]) -> Verdict:
    """Return whether runs have succeeded, have not ended yet, or never will succeed.

    A task that is queued counts as not yet ended where it goes on after its time limit: the scheduler, or whoever
    starts the tasks here, has let those begin that wait for the others to end.
    """
    waits: Verdict | None = None
    for folder in folders:
        run = RunPaths(Path(folder))
        name = f"run {run.root.name.rpartition('-')[2]}"
        if not run.record.exists():
            return Verdict(kind="never", reason=f"{name}, after which it was to begin, is gone", run=run)
        for index, status in enumerate(_statuses(run)):
            if status.state == "running" or (status.state == "queued" and status.stopped_at is not None):
                waits = Verdict(kind="not yet", reason=f"waits for {name}", run=run, job=status.job_id)
            elif status.state != "succeeded":
                what = f"task {index} of {name}, after which it was to begin, is {status.state}"
                return Verdict(kind="never", reason=what, run=run)
    return waits or Verdict(kind="met")


def _statuses(run: RunPaths) -> Iterator[TaskStatus]:
    index = 0
    while run.task(index).root.exists():
        yield current_status(run.task(index))
        index += 1
