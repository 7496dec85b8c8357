"""The environment of a job, on its node: which job it is, and the warning before its time limit.

The warning comes from a clock in the job, once, whatever signals the scheduler sends; a second one while a checkpoint
is written is ignored.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType
from typing import ClassVar

from submitit.core import job_environment, utils

from nsg_cluster.scheduler.types import JobId

__all__ = ["STARTED", "WARN_AFTER", "SchedulerEnvironment"]

# Set in the job by the script.
STARTED, WARN_AFTER = "NSG_STARTED", "NSG_WARN_AFTER_S"


class SchedulerEnvironment(job_environment.JobEnvironment):  # type: ignore[misc] # submitit has no types
    """The environment of a job, on its node; the script has found out which job it is."""

    _env: ClassVar[dict[str, str]] = {
        "job_id": "NSG_JOB_ID",
        "num_tasks": "NSG_NUM_TASKS",
        "num_nodes": "NSG_NUM_NODES",
        "node": "NSG_NODE",
        "global_rank": "NSG_GLOBAL_RANK",
        "local_rank": "NSG_LOCAL_RANK",
    }

    @property
    def array_job_id(self) -> str | None:
        """Number of the array; ``None`` in a plain job."""
        return None if self.array_task_id is None else JobId.parse(self.raw_job_id).number

    @property
    def array_task_id(self) -> str | None:
        """Element, counted from 0; ``None`` in a plain job."""
        index = JobId.parse(self.raw_job_id).index
        return None if index is None else str(index)

    def _handle_signals(self, paths: utils.JobPaths, submission: utils.DelayedSubmission) -> None:
        """Write a checkpoint at the warning, which comes before the time limit, and once."""
        super()._handle_signals(paths, submission)
        number = self._usr_sig()
        handle = signal.getsignal(number)

        def once(received: int, frame: FrameType | None) -> None:
            signal.signal(number, signal.SIG_IGN)
            assert callable(handle)
            handle(received, frame)

        signal.signal(number, once)
        if WARN_AFTER in os.environ:
            left_s = float(os.environ[STARTED]) + float(os.environ[WARN_AFTER]) - time.time()
            timer = threading.Timer(max(0.0, left_s), os.kill, (os.getpid(), number))
            timer.daemon = True
            timer.start()
