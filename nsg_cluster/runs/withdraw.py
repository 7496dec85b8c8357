"""Taking jobs back from a scheduler: those of cancelled tasks, and those that stand in the way of new ones."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

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
    elements = element_jobs(run, jobs)
    chosen = {index for index in tasks if index in elements and _is_to_be_withdrawn(run.task(index))}
    if not chosen:
        return
    whole, single = [], {elements[index] for index in chosen}
    for made in jobs.submissions:
        mine = made.elements()
        if made.job and len(mine) > 1 and single.issuperset(mine.values()):
            whole.append(made.job)
            single -= set(mine.values())
    try:
        Client(dialect_by_name(jobs.scheduler)).cancel(
            [*whole, *sorted(single, key=lambda job: (job.number, job.index or 0))]
        )
    except MachineError as error:
        raise MachineError(
            f"{error}\nThe tasks are marked as cancelled and will do nothing if they start; to take their jobs out of "
            f"the queue repeat the command"
        ) from None


def _is_to_be_withdrawn(paths: TaskPaths) -> bool:
    status = read_status(paths)
    if status.state != "running" or is_gone(status):
        return True
    try:
        asked = float(read_json(paths.cancelled)["time"])
    except (RunError, KeyError, TypeError, ValueError):
        return False
    return time.time() - asked > PATIENCE_S


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
