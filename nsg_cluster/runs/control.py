"""Cancelling a run, and running again what has not succeeded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.executor import local
from nsg_cluster.executor.charge import take_charge
from nsg_cluster.runs.again import submit_again
from nsg_cluster.runs.cluster import settle
from nsg_cluster.runs.find import run_id
from nsg_cluster.runs.jobs import read_jobs
from nsg_cluster.runs.record import read_record
from nsg_cluster.runs.status import RunReader, RunRow, read_run
from nsg_cluster.runs.withdraw import withdraw
from nsg_cluster.tasks.cancel import cancel_task, revoke
from nsg_cluster.tasks.status import TaskStatus, read_status, write_status

__all__ = ["cancel", "choose_tasks", "requeue", "resubmit"]

POLL_S = 0.2


def choose_tasks(run: RunPaths, wanted: Sequence[int]) -> list[int]:
    """Return the tasks that are wanted, all of them by default.

    Raises:
        RunError: The run has no such task.
    """
    num_tasks = len(read_record(run).tasks)
    for index in wanted:
        if not 0 <= index < num_tasks:
            raise RunError(f"run {run_id(run)} has no task {index}; it has 0 to {num_tasks - 1}")
    return list(wanted) or list(range(num_tasks))


def cancel(run: RunPaths, tasks: Sequence[int] = (), *, wait_s: float = 15.0) -> RunRow:
    """Cancel tasks of a run and return what became of it so far.

    Tombstones come first, for all of them: none is started while others are still being stopped.

    Args:
        run: The run.
        tasks: Indices; all tasks by default.
        wait_s: Seconds to wait for running tasks to write their checkpoints and end.

    Raises:
        MachineError: The run's scheduler does not answer.
        RunError: The run has no such task, or its folder cannot be written.
    """
    wanted = choose_tasks(run, tasks)
    jobs = read_jobs(run)
    by_scheduler = jobs.newest() if jobs else {}
    for index in wanted:
        paths = run.task(index)
        cancel_task(paths, read_status(paths) if index in by_scheduler else None)
    if jobs:
        with suppress(RunError):  # it is being submitted, and the tombstones are there already
            jobs = settle(run, jobs)
        withdraw(run, jobs, wanted)
    reader, deadline = RunReader(run), time.monotonic() + wait_s
    while True:
        row = reader.read()
        if all(row.tasks[index].status.is_final for index in wanted) or time.monotonic() > deadline:
            return row
        time.sleep(POLL_S)


def resubmit(run: RunPaths) -> list[int]:
    """Start again the tasks that have not succeeded, each from its newest checkpoint, and return their indices.

    Raises:
        ConfigError: The run's site is not known any more.
        MachineError: The site lacks what the tasks need, or its scheduler refuses.
        RunError: The run is still running, or its folder cannot be written.
    """
    # Loads the models of the configuration, which listing and cancelling need not wait for.
    from nsg_cluster.config.site import load_site
    from nsg_cluster.runs.provisions import environment_here

    record = read_record(run)
    site = load_site(record.site)
    if site.scheduler != "local":
        return submit_again(run, record, site)
    local.check(run, record.request)
    again = requeue(run)
    if again:
        local.launch(run, environment_here(site))
    return again


def requeue(run: RunPaths) -> list[int]:
    """Queue the tasks that have not succeeded, this process being in charge of them, and return their indices.

    Raises:
        RunError: The run is still running, or its folder cannot be written.
    """
    row = read_run(run)
    if not row.is_final:
        raise RunError(
            f"run {row.id} is {row.state}; wait for its end, or stop it with: python launch.py cancel {row.id}"
        )
    again = [task.index for task in row.tasks if task.status.state != "succeeded"]
    # Also waits for the process that was in charge, which would take a queued task for one that it has to settle.
    with take_charge(run):
        if jobs := read_jobs(run):
            jobs.run_by_hand(again).write(run)
        for index in again:
            revoke(run.task(index))
            write_status(run.task(index), TaskStatus(attempt=read_status(run.task(index)).attempt))
    return again
