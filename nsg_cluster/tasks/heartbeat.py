"""The writer of ``status.json``: keeps it fresh while a task runs, and writes how it ended."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import replace
from types import TracebackType

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.process import process_start_time
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.tasks.status import HEARTBEAT_S, State, TaskStatus, current_status, write_status

__all__ = ["Heartbeat"]

log = logging.getLogger(__name__)


class Heartbeat:
    """A context manager: while it is open the task runs in this process, or is watched by it.

    Args:
        paths: Files of the task.
        stop: Told to cancel when the user's tombstone appears.
        job_id: What the scheduler calls this job.

    Attributes:
        status: What was last written.
    """

    def __init__(self, paths: TaskPaths, stop: StopSignal, *, job_id: str = "") -> None:
        self._paths, self._stop = paths, stop
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        now = time.time()
        before = current_status(paths)
        # A scheduler that starts a job again has ended its earlier attempt, though that could not say so.
        is_same_job = bool(job_id) and before.job_id == job_id
        self._rival = before if before.state == "running" and not is_same_job else None
        self.status = TaskStatus(
            state="running",
            attempt=before.attempt + 1,
            pid=os.getpid(),
            pid_start=process_start_time(os.getpid()),
            host=os.uname().nodename,
            started=now,
            heartbeat=now,
            job_id=job_id,
            stopped_at=before.stopped_at if before.state == "queued" else None,
            continued=before.continued,
        )

    def __enter__(self) -> Heartbeat:
        """Write that the task runs.

        Raises:
            RunError: The task runs already, or the status cannot be written.
        """
        if self._rival:
            holder = f"process {self._rival.pid} on {self._rival.host}"
            raise RunError(f"{self._paths.root}: is in use by {holder}; wait for it to end, or cancel it")
        write_status(self._paths, self.status)
        self._thread.start()
        return self

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_S):
            if self._paths.cancelled.exists():
                # The signal of whoever cancelled it does not reach this process from another machine.
                self._stop.request("cancel")
            try:
                write_status(self._paths, replace(self.status, heartbeat=time.time()))
            except RunError as error:
                # The task itself may still end well, and a full disk may have room again.
                log.warning("no heartbeat: %s", error)

    def end(
        self,
        state: State,
        *,
        reason: str = "",
        exit_status: int | None = None,
        signal: str | None = None,
        stopped_at: tuple[int, int] | None = None,
    ) -> None:
        """Write how it ended; the first call counts.

        Raises:
            RunError: The status cannot be written.
        """
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        now = time.time()
        self.status = replace(
            self.status,
            state=state,
            reason=reason,
            exit_status=exit_status,
            signal=signal,
            stopped_at=stopped_at,
            continued=self.status.continued + (state == "queued"),
            heartbeat=now,
            ended=now,
        )
        write_status(self._paths, self.status)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write a failure where no end was written."""
        what = f"{type(error).__name__}: {error}" if error else "it ended without a word"
        self.end("failed", reason=what)
