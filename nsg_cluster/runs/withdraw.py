"""Taking jobs back from a scheduler: those of cancelled tasks, and those that stand in the way of new ones."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from nsg_cluster.core.errors import MachineError, RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths, TaskPaths
from nsg_cluster.executor.client import Client, dialect_by_name
from nsg_cluster.runs.jobs import Jobs
from nsg_cluster.runs.look import element_jobs
from nsg_cluster.scheduler.types import JobId, JobState
from nsg_cluster.tasks.status import is_gone, read_status

__all__ = ["wait_until_gone", "withdraw"]

# A job whose task has told its end is over in a moment.
LEAVING_S, POLL_S = 30.0, 1.0
# Longer than a task that was asked to end is given for its last checkpoint.
PATIENCE_S = 180.0


def withdraw(run: RunPaths, jobs: Jobs, tasks: Collection[int]) -> None:
    """Cancel the jobs of tasks, with one call; those that are writing a last checkpoint are left to end by themselves.

    Raises:
        MachineError: The scheduler refused or did not answer.
    """
    chosen = _chosen(run, jobs, frozenset(tasks))
    if not chosen:
        return
    try:
        Client(dialect_by_name(jobs.scheduler)).cancel(chosen)
    except MachineError as error:
        raise MachineError(
            f"{error}\nThe tasks are marked as cancelled and will do nothing if they start; to take their jobs out of "
            f"the queue repeat the command"
        ) from None


def _chosen(run: RunPaths, jobs: Jobs, tasks: frozenset[int]) -> list[JobId]:
    """Return the jobs to cancel: an array as a whole where nothing of it goes on."""
    elements = element_jobs(run, jobs)
    fates = {index: _fate(run.task(index), is_wanted=index in tasks) for index in elements}
    single = {index: job for index, job in elements.items() if fates[index] == "withdrawn"}
    whole = []
    for made in jobs.submissions:
        mine = made.elements()
        goes_on = any(fates.get(index) == "goes on" for index in mine)
        if made.job and len(mine) > 1 and not goes_on and any(single.get(index) == mine[index] for index in mine):
            whole.append(made.job)
            single = {index: job for index, job in single.items() if mine.get(index) != job}
    return [*whole, *single.values()]


def _fate(paths: TaskPaths, *, is_wanted: bool) -> Literal["over", "withdrawn", "goes on"]:
    """Return what is to become of the job of a task."""
    status = read_status(paths)
    if status.is_final:
        return "over"
    if not is_wanted:
        return "goes on"
    if status.state != "running" or is_gone(status):
        return "withdrawn"
    try:
        asked = float(read_json(paths.cancelled)["time"])
    except (RunError, KeyError, TypeError, ValueError):
        return "goes on"
    return "withdrawn" if time.time() - asked > PATIENCE_S else "goes on"


def wait_until_gone(scheduler: str, jobs: Mapping[int, JobId], *, since: float) -> None:
    """Wait until jobs have left a scheduler, so that no task runs twice; cancel those that will never start.

    Args:
        scheduler: Its dialect.
        jobs: Jobs by task.
        since: When the first of them was submitted.

    Raises:
        MachineError: The scheduler does not answer.
        RunError: One is still there.
    """
    client, deadline = Client(dialect_by_name(scheduler)), time.monotonic() + LEAVING_S
    while jobs:
        answer = client.status(list(jobs.values()), since=since)
        if answer.complaint:
            raise MachineError(answer.complaint)
        known = {index: answer.known[job] for index, job in jobs.items() if job in answer.known}
        blocked = [said.id for said in known.values() if said.state is JobState.BLOCKED]
        _cancel_blocked(client, blocked)
        alive = {index: said for index, said in known.items() if not said.state.is_over}
        if not alive:
            return
        if time.monotonic() > deadline:
            index, said = next(iter(alive.items()))
            raise RunError(f"job {said.id} of task {index} has not left {scheduler} yet ({said.raw}); cancel it first")
        time.sleep(POLL_S)


def _cancel_blocked(client: Client, jobs: Sequence[JobId]) -> None:
    if jobs:
        client.cancel(jobs)
