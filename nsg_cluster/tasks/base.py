"""The callable that a scheduler's job runs: one string, so that it is small and loads without torch."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.tasks.watch import CANCELLED, watch

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

__all__ = ["ClusterTask", "Task"]

# What Grid Engine takes for a wish: to be queued again, and to be held for a person.
RESERVED = {99, 100}


class Task:
    """One task of a run; calling it runs one attempt.

    Args:
        spec_path: Path of the task's resolved ``spec.yaml``.
    """

    def __init__(self, spec_path: str) -> None:
        self.spec_path = spec_path

    def __call__(self) -> int:
        """Run an attempt and return the exit status of the stage process, minus the signal that ended it.

        An attempt that stopped at a warning goes back to the queue if submitit runs it: this process ends here.
        """
        status = watch(TaskPaths(Path(self.spec_path).parent), job_id=_job_id())
        if status.state == "queued":
            _requeue()
        if status.exit_status is not None:
            return status.exit_status
        number = getattr(signal, status.signal or "", None)
        return -int(number) if number else CANCELLED

    def checkpoint(self) -> DelayedSubmission:
        """Return what submitit puts back into its queue: the same task, which goes on from its checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(Task(self.spec_path))


class ClusterTask(Task):
    """A task whose job ends with its exit status, so that a scheduler knows how it ended."""

    def __call__(self) -> int:
        """Run an attempt where the runs before it have succeeded, and end this process if it fails."""
        status = super().__call__()
        if status < 0:
            status = 128 - status
        if status:
            sys.exit(1 if status in RESERVED else status)
        return status

    def checkpoint(self) -> DelayedSubmission:
        """Return what submitit puts back into its queue."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(ClusterTask(self.spec_path))


def _job_id() -> str:
    if "SUBMITIT_EXECUTOR" not in os.environ:
        return ""
    from submitit import JobEnvironment

    return str(JobEnvironment().job_id)


def _requeue() -> None:
    """Run submitit's own handler of the warning signal, which pickles `Task.checkpoint` and queues the job again.

    While the stage process ran, the signal only set a flag: submitit's handler is not made to be entered twice, and
    would have left the stage process behind.
    """
    handler = signal.getsignal(signal.SIGUSR2)
    if callable(handler):
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        handler(signal.SIGUSR2, None)
