"""What schedulers say of the jobs of runs: asked seldom, once for all runs, and remembered.

An answer is kept for a while, the longer the less it changes. What a scheduler says of a job that has ended is written
into the run's folder at once, because schedulers forget; so is when a job was first missing, because only a job that
stays missing is lost. A query that fails changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nsg_cluster.core.errors import MachineError, RunError
from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.executor.client import Answer, Client, dialect_by_name
from nsg_cluster.scheduler.types import JobId, JobState, JobStatus, Source

__all__ = ["Memory", "Word", "ask"]

SHORTEST_S, LONGEST_S, GROWTH = 2.0, 30.0, 1.5
# Ends that a person or the scheduler itself may take back.
REVIVED = {JobState.BLOCKED, JobState.NODE_FAIL, JobState.PREEMPTED, JobState.LOST}


@dataclass(slots=True)
class _Asked:
    """The newest answer of a scheduler."""

    jobs: frozenset[JobId] = frozenset()
    answer: Answer = field(default_factory=Answer)
    time: float = float("-inf")
    interval_s: float = SHORTEST_S


_asked: dict[str, _Asked] = {}


def ask(scheduler: str, jobs: Mapping[JobId, float], *, fresh: bool = False) -> Answer:
    """Return what a scheduler says of jobs, or has said a moment ago.

    Args:
        scheduler: Its dialect.
        jobs: Plain jobs and elements, and when each was submitted at the earliest.
        fresh: Ask in any case.
    """
    before = _asked.setdefault(scheduler, _Asked())
    wanted = frozenset(jobs)
    age_s = time.monotonic() - before.time
    if not wanted or (not fresh and age_s < before.interval_s and wanted <= before.jobs):
        return before.answer
    try:
        answer = Client(dialect_by_name(scheduler)).status(jobs, since=min(jobs.values()))
    except MachineError as error:
        answer = Answer(complaint=str(error))
    is_same = answer == before.answer and wanted == before.jobs
    interval_s = min(LONGEST_S, before.interval_s * GROWTH) if is_same else SHORTEST_S
    _asked[scheduler] = _Asked(jobs=wanted, answer=answer, time=time.monotonic(), interval_s=interval_s)
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What is known of one job."""

    status: JobStatus | None = None
    missing_s: float = 0.0
    """For how long nobody has known it, or it has been over without a word in its task's files."""


class Memory:
    """What was said of the jobs of a run that have ended, or that are missing: ``ends.json``.

    Args:
        run: The run.
    """

    def __init__(self, run: RunPaths) -> None:
        self._run = run
        content: dict[str, Any] = {}
        if run.ends.exists():
            try:
                content = read_json(run.ends)
            except RunError:
                content = {}  # what it held is asked for once more
        self._ends: dict[str, Any] = dict(content.get("ends", {}))
        self._missing: dict[str, float] = dict(content.get("missing", {}))

    def end(self, job: JobId) -> JobStatus | None:
        """Return how a job has ended, as far as it was written down."""
        found = self._ends.get(str(job))
        return found and JobStatus(
            id=job,
            state=JobState(found["state"]),
            raw=found["raw"],
            source=Source(found["source"]),
            reason=found["reason"],
            exit_status=found["exit_status"],
            signal=found["signal"],
        )

    def learn(self, answer: Answer, jobs: list[JobId]) -> dict[JobId, Word]:
        """Return what is known of jobs after an answer, and write down what would be forgotten."""
        before = (dict(self._ends), dict(self._missing))
        words = {job: self._word(answer, job) for job in jobs}
        if before != (self._ends, self._missing):
            write_json(self._run.ends, {"ends": self._ends, "missing": self._missing})
        return words

    def _word(self, answer: Answer, job: JobId) -> Word:
        status, key = answer.known.get(job), str(job)
        is_silent = job in answer.absent or (status is not None and status.state is JobState.SUCCEEDED)
        if is_silent:
            return Word(status=status, missing_s=time.time() - self._missing.setdefault(key, time.time()))
        if status is not None:
            self._missing.pop(key, None)
            if status.state.is_over and status.state not in REVIVED:
                self._ends[key] = _to_json(status)
        return Word(status=status)


def _to_json(status: JobStatus) -> dict[str, Any]:
    return {
        "state": status.state.value,
        "raw": status.raw,
        "source": status.source.value,
        "reason": status.reason,
        "exit_status": status.exit_status,
        "signal": status.signal,
        "time": time.time(),
    }
