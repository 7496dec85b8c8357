"""A task run in this very process, which then keeps the task's ``status.json`` itself."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nsg_cluster.core.errors import NsgError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.core.units import parse_duration
from nsg_cluster.tasks.cancel import revoke
from nsg_cluster.tasks.heartbeat import Heartbeat
from nsg_cluster.tasks.stages import run_stages
from nsg_cluster.tasks.staging import Wish, staged_here
from nsg_cluster.tasks.watch import CANCELLED, CONTINUE

if TYPE_CHECKING:
    from nsg_cluster.config.schema import Experiment

__all__ = ["run_here"]

# Of the time limit, at most: what a checkpoint takes.
GRACE_S = 60.0


def run_here(experiment: Experiment, paths: TaskPaths, *, stop: StopSignal) -> int:
    """Run all stages of a task and return the exit status (see `nsg_cluster.tasks.watch`).

    A little before the task's time limit it is warned, writes a checkpoint and ends.

    Raises:
        NsgError: A stage failed, or the task runs already.
    """
    limit = experiment.resources.walltime
    with Heartbeat(paths, stop) as heartbeat, _warned(stop, parse_duration(limit) if limit else None):
        revoke(paths)
        try:
            with staged_here(Wish.of(experiment), paths, stop) as found:
                status = run_stages(experiment, found, stop=stop)
        except NsgError as error:
            heartbeat.end("failed", exit_status=error.exit_status, reason=str(error))
            raise
        if status == CONTINUE:
            # Nothing queues it again: this process was not started by a scheduler.
            reason = "stopped at its time limit, after a checkpoint; continue it with train or resubmit"
            heartbeat.end("timeout", exit_status=status, reason=reason)
        elif status == CANCELLED:
            heartbeat.end("cancelled", exit_status=status, reason="stopped on request, after a checkpoint")
        else:
            heartbeat.end("succeeded", exit_status=0)
    return status


@contextlib.contextmanager
def _warned(stop: StopSignal, limit_s: float | None) -> Iterator[None]:
    """Ask for a stop shortly before a time limit, if there is one, unless the context is left before."""
    if limit_s is None:
        yield
        return
    timer = threading.Timer(limit_s - min(GRACE_S, limit_s / 4), stop.request, ["warning"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
