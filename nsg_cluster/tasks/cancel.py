"""Cancelling one task: the tombstone first, so that it is never started; then the signal, so that it stops."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from nsg_cluster.core.files import write_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.tasks.status import current_status

__all__ = ["cancel_task", "revoke"]


def cancel_task(paths: TaskPaths) -> bool:
    """Ask a task to end, after writing a checkpoint if it runs; return whether there was anything to cancel.

    A task that runs on another machine finds the tombstone within a few seconds.

    Raises:
        RunError: The tombstone cannot be written.
    """
    status = current_status(paths)
    if status.is_final:
        return False
    if not paths.cancelled.exists():
        write_json(paths.cancelled, {"time": time.time(), "host": os.uname().nodename, "pid": os.getpid()})
    if status.state == "running" and status.host == os.uname().nodename and status.pid is not None:
        # It may have ended since; `current_status` has just compared the start time of the process.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(status.pid, signal.SIGTERM)
    return True


def revoke(paths: TaskPaths) -> None:
    """Remove the tombstone, because the task is wanted again."""
    paths.cancelled.unlink(missing_ok=True)
