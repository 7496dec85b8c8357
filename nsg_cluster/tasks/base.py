"""The callable that a scheduler's job runs: one string, so that it is small and loads without torch."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nsg_cluster.core.paths import RunPaths, TaskPaths
from nsg_cluster.tasks.after import verdict
from nsg_cluster.tasks.orders import read_orders
from nsg_cluster.tasks.watch import CANCELLED, watch

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

__all__ = ["RESUBMIT", "WAIT_FOR", "ClusterTask", "Task"]

# What Grid Engine takes for a wish: to be queued again, and to be held for a person.
RESERVED = {99, 100}
# Set by an executor whose jobs cannot be queued again: the command that submits a job anew. A task that is to wait for
# another job says so for which.
RESUBMIT, WAIT_FOR = "NSG_RESUBMIT", "NSG_WAIT_FOR"
POLL_S = 5.0


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
        """Run an attempt once the runs before it have ended, and end this process if it fails."""
        self._wait()
        status = super().__call__()
        if status < 0:
            status = 128 - status
        if status:
            sys.exit(1 if status in RESERVED else status)
        return status

    def _wait(self) -> None:
        """Wait for runs that go on although the scheduler let this job begin.

        One that goes on as another job is waited for in the queue, where this task can go there as well.

        Raises:
            RunError: The orders of the run cannot be read.
        """
        paths = TaskPaths(Path(self.spec_path).parent)
        orders = read_orders(RunPaths(paths.root.parents[1]))
        while (found := verdict(orders.after)).kind == "not yet" and not paths.cancelled.exists():
            # A while first: what has just ended without a word is not to be waited for again and again.
            time.sleep(POLL_S)
            if found.run and RESUBMIT in os.environ:
                os.environ[WAIT_FOR] = _newest(found.run, found.job)
                _requeue()

    def checkpoint(self) -> DelayedSubmission:
        """Return what submitit puts back into its queue."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(ClusterTask(self.spec_path))


def _newest(run: RunPaths, job: str) -> str:
    try:
        return run.continued(job).read_text().strip()
    except OSError:
        return job


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
