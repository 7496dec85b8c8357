"""The states of a run's tasks: what their files say, laid over by what the machine or the scheduler knows.

The order: the file of the task, the user's tombstone, the scheduler's accounting, its queue, and at last *lost*, where
the scheduler answers and has known nothing of a job for a while. What a query that failed would have said is left open.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nsg_cluster.core.errors import MachineError, NsgError
from nsg_cluster.core.paths import RunPaths, TaskPaths
from nsg_cluster.core.units import format_duration
from nsg_cluster.executor.charge import starter_is_gone
from nsg_cluster.runs.asking import Memory, Word, ask
from nsg_cluster.runs.cluster import settle
from nsg_cluster.runs.jobs import Jobs, Submitted, read_jobs
from nsg_cluster.runs.logs import last_lines
from nsg_cluster.scheduler.types import JobId, JobState, JobStatus
from nsg_cluster.tasks.status import State, TaskStatus, current_status, is_gone, read_status

__all__ = ["Look", "complete", "element_jobs", "newest_job"]

LOST_AFTER_S = 270.0
# A job that is over counts by these; SUCCEEDED does not, because a task that has succeeded says so itself.
ENDS: dict[JobState, State] = {
    JobState.BLOCKED: "blocked",
    JobState.FAILED: "failed",
    JobState.TIMEOUT: "timeout",
    JobState.OOM: "oom",
    JobState.CANCELLED: "cancelled",
    JobState.PREEMPTED: "preempted",
    JobState.NODE_FAIL: "node_fail",
    JobState.LOST: "lost",
}
LIVE: dict[JobState, State] = {
    JobState.SUBMITTED: "queued",
    JobState.QUEUED: "queued",
    JobState.HELD: "held",
    JobState.STARTING: "starting",
    JobState.RUNNING: "starting",
    JobState.SUSPENDED: "suspended",
    JobState.COMPLETING: "completing",
    JobState.REQUEUED: "requeued",
    JobState.UNKNOWN: "unknown",
}


@dataclass(slots=True)
class Look:
    """What is known of a run so far."""

    run: RunPaths
    statuses: dict[int, TaskStatus]
    complaint: str = ""
    jobs: dict[int, JobId] = field(default_factory=dict)
    """The jobs that the scheduler has to be asked for, by task."""
    since: float = 0.0
    """When the first of them was submitted."""


def complete(looks: Sequence[Look], *, fresh: bool = False) -> None:
    """Settle what files do not tell, with one query for each scheduler."""
    waiting: dict[str, list[Look]] = {}
    for look in looks:
        if not any(not status.is_final for status in look.statuses.values()):
            continue
        jobs = _jobs_of(look)
        if jobs is not None:
            _sort(look, jobs)
            waiting.setdefault(jobs.scheduler, []).append(look)
        _settle_here(look, jobs)
    for scheduler, asking in waiting.items():
        _ask(scheduler, asking, fresh=fresh)


def _jobs_of(look: Look) -> Jobs | None:
    """Return what was handed to a scheduler, after looking for what a launcher that died has submitted."""
    jobs = read_jobs(look.run)
    if jobs is None:
        return None
    try:
        return settle(look.run, jobs)
    except MachineError as error:
        look.complaint = str(error)
    except NsgError:
        pass  # another process is submitting them
    return jobs


def _settle_here(look: Look, jobs: Jobs | None) -> None:
    """Settle the tasks that this machine starts."""
    elsewhere = jobs.newest() if jobs else {}
    here = [index for index, status in look.statuses.items() if not status.is_final and index not in elsewhere]
    for index in here:
        look.statuses[index] = current_status(look.run.task(index))
    if any(look.statuses[index].state == "queued" for index in here) and starter_is_gone(look.run):
        # Read once more: the last thing that a starter does is to write the ends of its tasks.
        for index in here:
            look.statuses[index] = current_status(look.run.task(index), starter_is_gone=True)


def _sort(look: Look, jobs: Jobs) -> None:
    """Find the jobs that the scheduler has to be asked for; settle the tasks that have none."""
    newest = jobs.newest()
    for made in jobs.submissions:
        elements = made.elements()
        for index in made.tasks:
            status = look.statuses[index]
            if status.is_final or newest.get(index) is not made:
                continue
            if index not in elements:
                look.statuses[index] = _without_a_job(look.run.task(index), status, made)
            elif status.state != "running" or is_gone(status):
                look.jobs[index] = newest_job(look.run, elements[index])
                look.since = min(look.since or made.time, made.time)


def _without_a_job(paths: TaskPaths, status: TaskStatus, made: Submitted) -> TaskStatus:
    if not made.was_refused:
        return replace(status, state="submitted", reason=f"whether {made.token} was submitted is not known yet")
    if paths.cancelled.exists():
        return replace(status, state="cancelled", source="tombstone", reason="cancelled by the user")
    reason = f"was never submitted: the scheduler knows no job {made.token}; submit it with resubmit"
    return replace(status, state="lost", source="absence", reason=reason)


def element_jobs(run: RunPaths, jobs: Jobs) -> dict[int, JobId]:
    """Return the newest job, or element, of each task that a scheduler has taken."""
    newest = jobs.newest()
    return {
        index: newest_job(run, job)
        for made in jobs.submissions
        for index, job in made.elements().items()
        if newest.get(index) is made
    }


def newest_job(run: RunPaths, job: JobId) -> JobId:
    """Return the job that goes on with a job, or the job itself."""
    try:
        return JobId.parse(run.continued(str(job)).read_text().strip())
    except (OSError, ValueError):
        return job


def _ask(scheduler: str, looks: Sequence[Look], *, fresh: bool) -> None:
    memories = [Memory(look.run) for look in looks]
    wanted = {
        job: look.since
        for look, memory in zip(looks, memories, strict=True)
        for job in look.jobs.values()
        if memory.end(job) is None
    }
    answer = ask(scheduler, wanted, fresh=fresh)
    for look, memory in zip(looks, memories, strict=True):
        words = memory.learn(answer, [job for job in look.jobs.values() if job in wanted])
        for index, job in look.jobs.items():
            word = words.get(job) or Word(status=memory.end(job))
            look.statuses[index] = _judged(look, index, job, word, scheduler)
        if any(job in wanted for job in look.jobs.values()):
            look.complaint = look.complaint or answer.complaint


def _judged(look: Look, index: int, job: JobId, word: Word, scheduler: str) -> TaskStatus:
    """Return the state of a task whose files do not tell it."""
    paths, status = look.run.task(index), look.statuses[index]
    said = word.status
    if said is not None and said.state.is_over:
        # It may have told its end, or gone on as another job, while the scheduler was asked.
        status = read_status(paths)
        if status.is_final or newest_job(look.run, job) != job:
            return status
    if paths.cancelled.exists() and (said is None or said.state is not JobState.RUNNING):
        return replace(status, state="cancelled", source="tombstone", reason="cancelled by the user")
    if said is None or said.state is JobState.SUCCEEDED:
        return _silent(status, job, word, scheduler)
    status = replace(status, source=said.source.value, raw=said.raw, job_id=status.job_id or str(job))
    return _ended(look.run, status, said) if said.state.is_over else _alive(status, said)


def _silent(status: TaskStatus, job: JobId, word: Word, scheduler: str) -> TaskStatus:
    """Return the state of a task of which nobody has known anything for some time."""
    if word.missing_s < LOST_AFTER_S:
        return status
    since = format_duration(word.missing_s)
    if word.status is None:
        reason = f"{scheduler} has known nothing of its job {job} for {since}"
    else:
        reason = f"its job {job} has ended {since} ago, well by its exit status, without a word about the task"
    return replace(status, state="lost", source="absence", reason=reason)


def _ended(run: RunPaths, status: TaskStatus, said: JobStatus) -> TaskStatus:
    state, reason = ENDS[said.state], said.reason
    if said.signal:
        reason = f"its job {said.id} was ended by signal {said.signal}{f' ({reason})' if reason else ''}"
    if state == "failed" and status.state == "queued" and status.stopped_at is not None:
        state = "timeout"
        reason = "stopped at its time limit, after a checkpoint, and was not queued again; it goes on with resubmit"
    elif state == "failed" and status.state == "queued":
        reason = f"its job {said.id} ended before the task began: {_last_words(run, said.id) or reason or said.raw}"
    elif state == "blocked":
        reason = f"will never start: {reason or said.raw}"
    elif not reason and said.exit_status is not None:
        reason = f"its job {said.id} ended with exit status {said.exit_status}, without a word about the task"
    elif not reason:
        reason = f"its job {said.id}: {said.raw}"
    return replace(status, state=state, reason=reason, exit_status=said.exit_status, ended=status.ended or time.time())


def _last_words(run: RunPaths, job: JobId) -> str:
    return "".join(last_lines(run.job_log(str(job)), 1))


def _alive(status: TaskStatus, said: JobStatus) -> TaskStatus:
    state = LIVE[said.state]
    if status.state == "running" and said.state is JobState.RUNNING:
        return replace(status, reason="its job runs, but has not been heard of for a while")
    if state == "queued" and status.state == "queued":
        # What it says of itself, such as that it goes on after its time limit, is worth more.
        return replace(status, reason=status.reason or said.reason)
    return replace(status, state=state, reason=said.reason)
