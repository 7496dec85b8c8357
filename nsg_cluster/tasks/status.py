"""What is known of a task: its ``status.json``, laid over by what the machine and the user's tombstone say.

The file is written by the process that watches the task. It is believed first; but a process that was killed cannot
write that it was, so a task that is said to run is also looked up among the processes of its machine, or, from
another machine, judged by the age of its heartbeat. Times are unix seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.process import is_alive

__all__ = ["FINAL", "HEARTBEAT_S", "State", "TaskStatus", "current_status", "is_gone", "read_status", "write_status"]

State = Literal[
    "submitted",
    "queued",
    "held",
    "blocked",
    "starting",
    "running",
    "suspended",
    "completing",
    "requeued",
    "succeeded",
    "failed",
    "cancelled",
    "timeout",
    "oom",
    "preempted",
    "node_fail",
    "lost",
    "unknown",
]
FINAL = frozenset({"blocked", "succeeded", "failed", "cancelled", "timeout", "oom", "preempted", "node_fail", "lost"})
HEARTBEAT_S = 5.0
# From another machine: network file systems show new content late, and clocks differ.
SILENT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """Content of ``status.json``."""

    state: State = "queued"
    attempt: int = 0
    """How often the task was started, 1 for the first time."""
    pid: int | None = None
    """Process that watches the task, or runs it where nothing watches it."""
    pid_start: float | None = None
    """When that process started: process numbers are used again."""
    host: str = ""
    started: float | None = None
    heartbeat: float | None = None
    ended: float | None = None
    exit_status: int | None = None
    signal: str | None = None
    """Name of the signal that ended the stage process."""
    reason: str = ""
    """A sentence about the end, for people."""
    job_id: str = ""
    """What the scheduler calls the job of the newest attempt."""
    stopped_at: tuple[int, int] | None = None
    """Stage and step at which the newest attempt wrote a checkpoint because its time was nearly up."""
    continued: int = 0
    """How often it was continued after its time limit since somebody asked for it."""
    source: str = "file"
    """Who says so: ``file``, or the scheduler's ``queue`` or ``accounting``, a ``tombstone``, an ``absence``."""
    raw: str = ""
    """The scheduler's own words."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen unless somebody asks for it."""
        return self.state in FINAL


def read_status(paths: TaskPaths) -> TaskStatus:
    """Return what ``status.json`` says; a missing file says that the task was not started yet."""
    if not paths.status.exists():
        return TaskStatus()
    try:
        return _parsed(read_json(paths.status))
    except (RunError, TypeError, ValueError):
        return TaskStatus(state="lost", reason=f"{paths.status} is damaged")


def _parsed(content: Mapping[str, Any]) -> TaskStatus:
    known = {field.name for field in fields(TaskStatus)}
    values = {key: value for key, value in content.items() if key in known}
    if values.get("state") not in get_args(State):
        raise ValueError("no known state")
    if values.get("stopped_at") is not None:
        stage, step = values["stopped_at"]
        values["stopped_at"] = (int(stage), int(step))
    return TaskStatus(**values)


def write_status(paths: TaskPaths, status: TaskStatus) -> None:
    """Replace ``status.json``.

    A final state is also written where the disk has no room for a second file: over the old content.

    Raises:
        RunError: The file cannot be written.
    """
    try:
        write_json(paths.status, asdict(status))
    except RunError:
        if not status.is_final:
            raise
        with contextlib.suppress(OSError), paths.status.open("r+b") as file:
            file.write(json.dumps(asdict(status)).encode())
            file.truncate()
            return
        raise


def current_status(paths: TaskPaths, *, starter_is_gone: bool = False) -> TaskStatus:
    """Return the state of a task as far as it can be known here and now.

    Args:
        paths: Files of the task.
        starter_is_gone: Whether the process that starts this run's tasks has ended, so that a queued one never begins.
    """
    status = read_status(paths)
    if status.is_final:
        return status
    if status.state == "running":
        if not is_gone(status):
            return status
        reason = f"the process that watched it ({status.pid} on {status.host}) is gone without having told its end"
    elif starter_is_gone:
        reason = "the process that starts the tasks of this run is gone"
    else:
        reason = ""
    if paths.cancelled.exists():
        return replace(status, state="cancelled", reason="cancelled by the user")
    return replace(status, state="lost", reason=reason) if reason else status


def is_gone(status: TaskStatus) -> bool:
    """Return whether the process that a status names has ended, as far as it can be told from this machine."""
    if status.pid is None or status.pid_start is None:
        return True
    if status.host == os.uname().nodename:
        return not is_alive(status.pid, status.pid_start)
    return time.time() - (status.heartbeat or 0) > SILENT_S
