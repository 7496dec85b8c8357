"""Cancelling one task: the tombstone first, so that it is never started; then the signal, so that it stops."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from nsg_cluster.core.files import write_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.tasks.status import TaskStatus, current_status, is_gone

__all__ = ["cancel_task", "revoke"]


def cancel_task(paths: TaskPaths, status: TaskStatus | None = None) -> bool:
    """Ask a task to end, after writing a checkpoint if it runs; return whether there was anything to cancel.

    A task that runs on another machine finds the tombstone within a few seconds.

    Args:
        paths: Files of the task.
        status: What is known of it, where a scheduler may start it again though nothing of it runs; otherwise it is
            looked at here.

    Raises:
        RunError: The tombstone cannot be written.
    """
    status = status or current_status(paths)
    if status.is_final:
        return False
    if not paths.cancelled.exists():
        write_json(paths.cancelled, {"time": time.time(), "host": os.uname().nodename, "pid": os.getpid()})
    is_here = status.host == os.uname().nodename and not is_gone(status)
    if status.state == "running" and is_here and status.pid is not None:
        # It may have ended since, or its number may be another's by now.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(status.pid, signal.SIGTERM)
    return True


def revoke(paths: TaskPaths) -> None:
    """Remove the tombstone, because the task is wanted again."""
    paths.cancelled.unlink(missing_ok=True)
