"""What is known of a task: file, tombstone, processes."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.core import files
from nsg_cluster.core.errors import RunError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.process import process_start_time
from nsg_cluster.tasks.cancel import cancel_task, revoke
from nsg_cluster.tasks.status import TaskStatus, current_status, read_status, write_status

HERE = os.uname().nodename


def running(**changes: Any) -> TaskStatus:
    """Return the status of a task that this process watches."""
    pid = os.getpid()
    status = TaskStatus(
        state="running", attempt=1, pid=pid, pid_start=process_start_time(pid), host=HERE, heartbeat=time.time()
    )
    return dataclasses.replace(status, **changes)


@pytest.fixture
def paths(tmp_path: Path) -> TaskPaths:
    return TaskPaths(tmp_path)


def test_what_is_written_is_read_back(paths: TaskPaths) -> None:
    status = running(stopped_at=(1, 20), reason="because", signal="SIGKILL", exit_status=3, job_id="15_2")
    write_status(paths, status)
    assert read_status(paths) == status


def test_a_task_without_a_file_is_queued_and_a_damaged_file_is_no_crash(paths: TaskPaths) -> None:
    assert current_status(paths).state == "queued"
    for text in ("", "{", "[]", '{"state": "dancing"}', '{"state": "running", "stopped_at": 3}'):
        paths.status.write_text(text)
        assert current_status(paths).state == "lost", text
        assert "damaged" in current_status(paths).reason


def test_a_later_version_may_add_keys(paths: TaskPaths) -> None:
    paths.status.write_text(json.dumps({"state": "succeeded", "mood": "good"}))
    assert read_status(paths).state == "succeeded"


@pytest.mark.parametrize(
    ("status", "tombstone", "starter_is_gone", "expected"),
    [
        (running(), False, False, "running"),
        (running(), True, False, "running"),
        (running(pid_start=1.0), False, False, "lost"),
        (running(pid_start=1.0), True, False, "cancelled"),
        (running(pid_start=None), False, False, "lost"),
        # Parameters are made when tests are collected, minutes before they run.
        (running(host="elsewhere", heartbeat=time.time() + 3600), False, False, "running"),
        (running(host="elsewhere", heartbeat=time.time() - 1000), False, False, "lost"),
        (TaskStatus(), False, False, "queued"),
        (TaskStatus(), False, True, "lost"),
        (TaskStatus(), True, True, "cancelled"),
        (TaskStatus(state="succeeded"), True, True, "succeeded"),
        (TaskStatus(state="failed"), True, True, "failed"),
    ],
)
def test_the_file_is_believed_first_then_processes_then_the_tombstone(
    paths: TaskPaths, status: TaskStatus, tombstone: bool, starter_is_gone: bool, expected: str
) -> None:
    write_status(paths, status)
    if tombstone:
        paths.cancelled.write_text("{}")
    assert current_status(paths, starter_is_gone=starter_is_gone).state == expected
    assert read_status(paths) == status, "looking changes nothing"


def test_a_final_state_is_written_even_where_the_disk_is_full(
    paths: TaskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_status(paths, running(reason="a long sentence " * 20))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_write_synced", full)
    with pytest.raises(RunError, match="No space left"):
        write_status(paths, running())
    write_status(paths, running(state="failed", reason="disk full"))
    assert (read_status(paths).state, read_status(paths).reason) == ("failed", "disk full")


def test_cancelling_is_done_once_and_only_where_there_is_something_to_cancel(paths: TaskPaths) -> None:
    assert cancel_task(paths)
    assert current_status(paths).state == "cancelled", "what waits and is cancelled will never be started"
    tombstone = paths.cancelled.read_text()
    assert not cancel_task(paths) and paths.cancelled.read_text() == tombstone
    revoke(paths)
    revoke(paths)
    assert current_status(paths).state == "queued"
    write_status(paths, TaskStatus(state="succeeded"))
    assert not cancel_task(paths) and not paths.cancelled.exists()
