"""Submitting again, on a cluster, the tasks of a run that have not succeeded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nsg_cluster.core.errors import ConfigError, MachineError, RunError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.runs.after import dependency_on
from nsg_cluster.runs.cluster import executor_of, hand_over, new_submission, settle
from nsg_cluster.runs.jobs import Jobs, Submitted, read_jobs
from nsg_cluster.runs.look import element_jobs
from nsg_cluster.runs.status import RunRow, read_run
from nsg_cluster.runs.withdraw import wait_until_gone
from nsg_cluster.tasks.cancel import revoke
from nsg_cluster.tasks.lock import locked
from nsg_cluster.tasks.orders import read_orders
from nsg_cluster.tasks.status import TaskStatus, read_status, write_status

if TYPE_CHECKING:
    from nsg_cluster.config.site import Site
    from nsg_cluster.executor.plugin import SchedulerExecutor
    from nsg_cluster.runs.record import Record

__all__ = ["submit_again"]

ENDING_S = 5.0


def submit_again(run: RunPaths, record: Record, site: Site) -> list[int]:
    """Submit the tasks that have not succeeded as a new job, each to go on from its newest checkpoint.

    Raises:
        NsgError: The run has not ended, or the site or its scheduler refuses; the run is as it was.
    """
    # Loads the models of the configuration, which listing and cancelling need not wait for.
    from nsg_cluster.executor.placement import place_request

    placement = place_request(site, record.request)
    jobs = _settled(run, site.scheduler)
    with locked(run.lock, wait_s=ENDING_S):
        row = read_run(run, fresh=True)
        again = _unfinished(row)
        if not again:
            return []
        elements = element_jobs(run, jobs)
        since = min((made.time for made in jobs.submissions), default=0.0)
        wait_until_gone(jobs.scheduler, {index: elements[index] for index in again if index in elements}, since=since)
        after = dependency_on([RunPaths(Path(folder)) for folder in read_orders(run).after], site.scheduler)
        made = new_submission(record.id, record.name, again, jobs)
        parallel = record.request.max_parallel
        executor = executor_of(run, site, placement, made.token, max_parallel=parallel, after=after)
        _hand_over_or_restore(run, executor, jobs, made)
    return again


def _settled(run: RunPaths, scheduler: str) -> Jobs:
    """Return what was handed over before, nothing of it in doubt.

    Raises:
        RunError: Something is, or it was another scheduler.
    """
    jobs = read_jobs(run) or Jobs(scheduler=scheduler, submissions=())
    if jobs.scheduler != scheduler:
        raise RunError(f"{run.root}: was handed to {jobs.scheduler}, but its site now has {scheduler}")
    jobs = settle(run, jobs)
    if jobs.is_open:
        raise RunError(f"{run.root}: it is not known yet whether it was submitted; ask again in a minute")
    return jobs


def _unfinished(row: RunRow) -> list[int]:
    if row.complaint and not row.is_final:
        raise MachineError(f"{row.complaint}\nNothing was submitted")
    if not row.is_final:
        raise RunError(
            f"run {row.id} is {row.state}; wait for its end, or stop it with: python launch.py cancel {row.id}"
        )
    return [task.index for task in row.tasks if task.status.state != "succeeded"]


def _hand_over_or_restore(run: RunPaths, executor: SchedulerExecutor, jobs: Jobs, made: Submitted) -> None:
    """Queue tasks and submit them; where they are refused leave everything as it was."""
    before = {index: read_status(run.task(index)) for index in made.tasks}
    tombstones = _tombstones(run, made.tasks)
    for index, status in before.items():
        revoke(run.task(index))
        write_status(run.task(index), TaskStatus(attempt=status.attempt))
    jobs.with_(made).write(run)
    try:
        hand_over(run, executor, jobs, made)
    except (ConfigError, MachineError):
        jobs.write(run)
        for index, text in tombstones.items():
            run.task(index).cancelled.write_bytes(text)
        for index, status in before.items():
            write_status(run.task(index), status)
        raise


def _tombstones(run: RunPaths, tasks: Sequence[int]) -> dict[int, bytes]:
    paths = {index: run.task(index).cancelled for index in tasks}
    return {index: path.read_bytes() for index, path in paths.items() if path.exists()}
