"""What became of jobs, in submitit's words: one query for all of them, and what their folders tell.

A failed query changes nothing; an unknown word never means done; a job that the scheduler has forgotten is lost only
after a while.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from submitit.core import core, logger, utils

from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.process import Completed
from nsg_cluster.executor.client import Client
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.types import JobId, JobState, JobStatus, Source

__all__ = ["WORDS", "JobFiles", "SchedulerWatcher"]

# submitit's words. It takes READY, PENDING, RUNNING, UNKNOWN, REQUEUED, COMPLETING and PREEMPTED as not done and every
# other word as done, so each state that is not over must have one of these and each that is over another.
WORDS: Mapping[JobState, str] = {
    JobState.SUBMITTED: "PENDING",
    JobState.QUEUED: "PENDING",
    JobState.HELD: "PENDING",
    JobState.BLOCKED: "BLOCKED",
    JobState.STARTING: "RUNNING",
    JobState.RUNNING: "RUNNING",
    JobState.SUSPENDED: "RUNNING",
    JobState.COMPLETING: "COMPLETING",
    JobState.REQUEUED: "REQUEUED",
    JobState.SUCCEEDED: "COMPLETED",
    JobState.FAILED: "FAILED",
    JobState.TIMEOUT: "TIMEOUT",
    JobState.OOM: "OUT_OF_MEMORY",
    JobState.CANCELLED: "CANCELLED",
    JobState.PREEMPTED: "CANCELLED",
    JobState.NODE_FAIL: "NODE_FAIL",
    JobState.LOST: "LOST",
    JobState.UNKNOWN: "UNKNOWN",
}
LOST_AFTER_S = 120.0
WEEK_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class JobFiles:
    """What a job's folder holds beside submitit's files, and what it tells."""

    paths: utils.JobPaths

    @property
    def cancelled(self) -> Path:
        """The tombstone: exists once the job has been cancelled through its object."""
        return Path(self.paths.folder) / f"{self.paths.job_id}_cancelled"

    @property
    def continued(self) -> Path:
        """Holds the number of the job that goes on with this one."""
        return Path(self.paths.folder) / f"{self.paths.job_id}_continued"

    def submitted_at(self) -> float:
        """Return when the job was submitted, or a time before."""
        try:
            return float(self.paths.submission_file.stat().st_mtime)
        except OSError:
            return time.time() - WEEK_S

    def newest(self) -> JobId:
        """Return the job that goes on with this one, or this one."""
        with contextlib.suppress(OSError, ValueError):
            return JobId.parse(self.continued.read_text().strip())
        return JobId.parse(self.paths.job_id)


class SchedulerWatcher(core.InfoWatcher):  # type: ignore[misc] # submitit has no types
    """Asks the scheduler for all jobs at once and remembers what it said.

    Args:
        dialect: How to speak to it.
        delay_s: Longest time between two queries.
    """

    def __init__(self, dialect: Dialect, delay_s: int = 60) -> None:
        super().__init__(delay_s)
        self._client = Client(dialect)
        self._files: dict[str, JobFiles] = {}
        self._statuses: dict[str, JobStatus] = {}
        self._missing_since: dict[str, float] = {}

    def clear(self) -> None:
        """Forget everything but the jobs themselves."""
        super().clear()
        self._statuses, self._missing_since = {}, {}

    def watch(self, paths: utils.JobPaths) -> None:
        """Watch a job from now on."""
        self._files[paths.job_id] = JobFiles(paths)
        self.register_job(paths.job_id)

    def update(self) -> None:
        """Ask for every job that is not over; where the scheduler does not answer nothing changes."""
        self._last_status_check = time.time()
        names = {job: self._newest(job) for job in self._registered - self._finished}
        if not names:
            return
        self._num_calls += 1
        since = min(self._files[job].submitted_at() if job in self._files else 0.0 for job in names)
        try:
            answer = self._client.status(set(names.values()), since=since)
        except MachineError as error:
            logger.get_logger().warning(f"Call #{self._num_calls} - nothing is known: {error}")
            return
        if answer.complaint:
            logger.get_logger().warning(f"Call #{self._num_calls} - not everything is known: {answer.complaint}")
        for job, name in names.items():
            if name in answer.known or name in answer.absent:
                self._settle(job, name, answer.known.get(name))

    def _newest(self, job: str) -> JobId:
        return self._files[job].newest() if job in self._files else JobId.parse(job)

    def _settle(self, job: str, name: JobId, status: JobStatus | None) -> None:
        is_cancelled = job in self._files and self._files[job].cancelled.exists()
        if status is None:
            missing_s = time.time() - self._missing_since.setdefault(job, time.time())
            if not is_cancelled and missing_s < LOST_AFTER_S:
                return
            source = Source.TOMBSTONE if is_cancelled else Source.ABSENCE
            state = JobState.CANCELLED if is_cancelled else JobState.LOST
            status = JobStatus(id=name, state=state, raw="", source=source, reason="the scheduler knows it no more")
        else:
            self._missing_since.pop(job, None)
            if status.state.is_over and self._newest(job) != name:
                return  # it went on as another job while we asked
        if is_cancelled and status.state is JobState.FAILED:
            status = JobStatus(id=name, state=JobState.CANCELLED, raw=status.raw, source=Source.TOMBSTONE)
        self._statuses[job] = status
        if status.state.is_over:
            self._finished.add(job)

    def get_info(self, job_id: str, mode: str = "standard") -> dict[str, str]:
        """Return the state in submitit's word, the scheduler's own words, and who said it."""
        super().get_info(job_id, mode)
        status = self._statuses.get(job_id)
        if status is None:
            return {}
        details = {"JobID": str(status.id), "Raw": status.raw, "Reason": status.reason, "Source": status.source.value}
        return {"State": WORDS[status.state], **details}

    def get_state(self, job_id: str, mode: str = "standard") -> str:
        """Return the state in submitit's word; ``UNKNOWN`` until the scheduler has said something."""
        return self.get_info(job_id, mode).get("State", "UNKNOWN")

    def status(self, job_id: str) -> JobStatus | None:
        """Return what is known without asking."""
        return self._statuses.get(job_id)

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        """Return what an answer of the queue says, by job."""
        text = string if isinstance(string, str) else string.decode(errors="replace")
        found = self._client.dialect.parse_queue(Completed((), 0, text, ""))
        return {str(status.id): {"JobID": str(status.id), "State": WORDS[status.state]} for status in found}
