"""A task run in this very process, which then keeps the task's ``status.json`` itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nsg_cluster.core.errors import NsgError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.tasks.cancel import revoke
from nsg_cluster.tasks.heartbeat import Heartbeat
from nsg_cluster.tasks.stages import run_stages
from nsg_cluster.tasks.watch import CANCELLED, CONTINUE

if TYPE_CHECKING:
    from nsg_cluster.config.schema import Experiment

__all__ = ["run_here"]


def run_here(experiment: Experiment, paths: TaskPaths, *, stop: StopSignal) -> int:
    """Run all stages of a task and return the exit status (see `nsg_cluster.tasks.watch`).

    Raises:
        NsgError: A stage failed, or the task runs already.
    """
    with Heartbeat(paths, stop) as heartbeat:
        revoke(paths)
        try:
            status = run_stages(experiment, paths, stop=stop)
        except NsgError as error:
            heartbeat.end("failed", exit_status=error.exit_status, reason=str(error))
            raise
        if status == CONTINUE:
            # Nothing queues it again: this process was not started by a scheduler.
            heartbeat.end("timeout", exit_status=status, reason="stopped at a warning, after a checkpoint")
        elif status == CANCELLED:
            heartbeat.end("cancelled", exit_status=status, reason="stopped on request, after a checkpoint")
        else:
            heartbeat.end("succeeded", exit_status=0)
    return status
