"""Who starts the tasks of a run on this machine: at most one process, and others can see whether it still does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.core.process import is_alive, process_start_time
from nsg_cluster.tasks.lock import locked

__all__ = ["put_in_charge", "starter_is_gone", "take_charge"]

# A supervisor whose tasks have all ended takes a moment to end as well.
ENDING_S = 5.0


@contextlib.contextmanager
def take_charge(run: RunPaths) -> Iterator[None]:
    """Be the process that starts a run's tasks while the context is open.

    Raises:
        RunError: Another process is.
    """
    with locked(run.lock, wait_s=ENDING_S):
        put_in_charge(run, os.getpid())
        yield


def put_in_charge(run: RunPaths, pid: int) -> None:
    """Write which process starts a run's tasks.

    Raises:
        RunError: The file cannot be written.
    """
    write_json(run.supervisor, {"pid": pid, "pid_start": process_start_time(pid), "host": os.uname().nodename})


def starter_is_gone(run: RunPaths) -> bool:
    """Return whether nobody will start the run's queued tasks; False where that cannot be told from this machine."""
    try:
        found = read_json(run.supervisor)
        if found["host"] != os.uname().nodename:
            return False
        return found["pid_start"] is None or not is_alive(found["pid"], found["pid_start"])
    except (RunError, KeyError, TypeError):
        return True
