"""Runs that begin after others, by the scheduler's own means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsg_cluster.core.errors import ConfigError, RunError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.runs.jobs import read_jobs
from nsg_cluster.runs.look import newest_job
from nsg_cluster.runs.status import RunRow, read_run
from nsg_cluster.scheduler.types import Dependency, JobId

if TYPE_CHECKING:
    from nsg_cluster.config.schema import Experiment

__all__ = ["check_here", "dependency_on", "trained_by"]


def dependency_on(runs: Sequence[RunPaths], scheduler: str) -> Dependency | None:
    """Return the jobs that a scheduler has to wait for; ``None`` where all have succeeded already.

    Grid Engine cannot wait for a success, only for an end; a task looks at the runs before it begins, in any case.

    Raises:
        ConfigError: A run is on another scheduler.
        RunError: A run has ended without success.
    """
    jobs = dict.fromkeys(job for run in runs for job in _jobs(run, read_run(run, fresh=True), scheduler))
    return Dependency(jobs=tuple(jobs), success=scheduler != "gridengine") if jobs else None


def trained_by(after: Sequence[RunPaths], elements: Sequence[Experiment]) -> RunPaths | None:
    """Return the run whose weights are evaluated and rendered: the only one to wait for, if nothing is trained here."""
    trains = any("train" in element.stages for element in elements)
    return after[0] if len(after) == 1 and not trains else None


def check_here(runs: Sequence[RunPaths]) -> None:
    """Refuse to wait on this machine for what cannot be waited for.

    Raises:
        ConfigError: A run is in the hands of a scheduler.
        RunError: A run has ended without success.
    """
    for run in runs:
        row = read_run(run)
        _check_hope(row)
        jobs = read_jobs(run)
        if jobs is not None and not row.is_final:
            raise ConfigError(
                f"run {row.id} is in the hands of {jobs.scheduler}; this machine cannot wait for it: use its site"
            )


def _check_hope(row: RunRow) -> None:
    bad = [task for task in row.tasks if task.status.is_final and task.status.state != "succeeded"]
    if bad:
        what = f"task {bad[0].index} of it is {bad[0].status.state}"
        raise RunError(
            f"after run {row.id} nothing can begin: {what}; continue it with: python launch.py resubmit {row.id}"
        )


def _jobs(run: RunPaths, row: RunRow, scheduler: str) -> list[JobId]:
    _check_hope(row)
    waiting = [task.index for task in row.tasks if not task.status.is_final]
    if not waiting:
        return []
    found = read_jobs(run)
    if found is None or found.scheduler != scheduler:
        where = found.scheduler if found else "this machine"
        raise ConfigError(f"run {row.id} is in the hands of {where}; a run of {scheduler} cannot wait for it there")
    newest = found.newest()
    elements = {index: newest[index].elements().get(index) for index in waiting if index in newest}
    if len(elements) < len(waiting) or None in elements.values():
        raise RunError(f"run {row.id}: its job is not known yet; look at it with: python launch.py status {row.id}")
    return [
        newest_job(run, job).job if job.index is not None else newest_job(run, job) for job in elements.values() if job
    ]
