"""Handing tasks of a run to a scheduler, and finding again what a launcher that died has left behind.

A submission is written into the run's folder before the submit command is started. Where the answer is lost (the
launcher was killed, the command failed although the job is queued) its job is found by its name, the token.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nsg_cluster.core.errors import MachineError, RunError, StartError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.executor.client import Client, dialect_by_name
from nsg_cluster.runs.jobs import Jobs, Submitted, read_jobs
from nsg_cluster.scheduler.types import Dependency, JobId, job_name
from nsg_cluster.tasks.base import ClusterTask
from nsg_cluster.tasks.lock import locked
from nsg_cluster.tasks.status import read_status

if TYPE_CHECKING:
    from nsg_cluster.config.site import Site
    from nsg_cluster.executor.placement import Placement
    from nsg_cluster.executor.plugin import SchedulerExecutor

__all__ = ["executor_of", "hand_over", "new_submission", "settle"]

# A submit command that was started by a launcher that died may still be on its way.
IN_FLIGHT_S = 60.0
LOOK_AGAIN_S = (0.0, 1.0, 3.0)


def new_submission(run_id: str, name: str, tasks: Sequence[int], jobs: Jobs | None = None) -> Submitted:
    """Return a submission that is about to be made, with a token of its own."""
    number = len(jobs.submissions) + 1 if jobs else 1
    # The id comes first, because a long name is cut.
    token = job_name(f"{run_id}{'' if number == 1 else f'.{number}'}-{name}")
    return Submitted(token=token, time=time.time(), tasks=tuple(tasks))


def executor_of(
    run: RunPaths,
    site: Site,
    placement: Placement,
    token: str,
    *,
    max_parallel: int | None = None,
    after: Dependency | None = None,
) -> SchedulerExecutor:
    """Return what submits tasks of a run; nothing is written yet.

    Raises:
        ConfigError: The scheduler cannot express something that is asked for.
    """
    # Loads submitit and the models of the configuration, which looking at runs need not wait for.
    from nsg_cluster.executor.select import make_executor

    executor = make_executor(site, run.submitit, placement, name=token, max_parallel=max_parallel, after=after)
    executor.update_parameters(package=str(run.source))
    executor.uid = token
    # Refuses a storage whose name the scheduler would misread.
    executor.dialect.submit_argv(executor.submission(2), str(executor.script(token)))
    return executor


def hand_over(run: RunPaths, executor: SchedulerExecutor, jobs: Jobs, made: Submitted) -> JobId:
    """Submit tasks whose submission is written down already, write down their job, and return it.

    The caller holds the run's lock.

    Raises:
        MachineError: The scheduler refused: nothing is queued.
        RunError: It is not known whether it did; the run's folder must stay.
    """
    _check_program(executor)
    try:
        executor.submit_array([ClusterTask(str(run.task(index).spec)) for index in made.tasks])
        job = executor.submitted[-1]
    except MachineError as error:
        found = _found_after(error, Client(executor.dialect), made)
        if found is None:
            raise
        job = found
    jobs.with_(replace(made, job=job)).write(run)
    return job


def _check_program(executor: SchedulerExecutor) -> None:
    """Refuse a machine that has no such scheduler, in better words than those of a program that does not start.

    Raises:
        StartError: There is no submit command.
    """
    dialect = executor.dialect
    if not shutil.which(dialect.programs[0]):
        raise StartError(
            f"no program '{dialect.programs[0]}' on PATH: submit where {dialect.title} is, such as on a login node, or "
            f"add the folder of its programs to PATH; --dry-run shows what would be submitted"
        )


def _found_after(error: MachineError, client: Client, made: Submitted) -> JobId | None:
    """Return the job of a submission that seems to have failed; ``None`` where there is none.

    Raises:
        RunError: The scheduler cannot tell.
    """
    if isinstance(error, StartError):
        return None
    try:
        for pause_s in LOOK_AGAIN_S:
            time.sleep(pause_s)
            found = client.find(made.token, since=made.time)
            if found:
                return found[0]
            if not _is_in_doubt(error):
                return None
    except MachineError as silence:
        raise _in_doubt(error, f"{silence}") from None
    raise _in_doubt(error, f"it knows no job called {made.token} yet")


def _is_in_doubt(error: MachineError) -> bool:
    """Return whether the submit command did not wait for an answer."""
    return any(words in str(error).lower() for words in ("timed out", "did not end within", "timeout"))


def _in_doubt(error: MachineError, why: str) -> RunError:
    return RunError(
        f"it is not known whether the job was submitted: {error}\n{why}\n"
        f"Nothing will be submitted twice: python launch.py status finds the job, or says that there is none"
    )


def settle(run: RunPaths, jobs: Jobs) -> Jobs:
    """Return the submissions of a run after those without a job were looked for.

    Raises:
        MachineError: The scheduler does not answer.
        RunError: Another process is submitting them right now, or the folder cannot be written.
    """
    if not jobs.is_open:
        return jobs
    with locked(run.lock):
        jobs = read_jobs(run) or jobs
        client = Client(dialect_by_name(jobs.scheduler))
        for made in jobs.submissions:
            if made.job is None and not made.was_refused:
                jobs = jobs.with_(_looked_up(run, client, made))
        jobs.write(run)
    return jobs


def _looked_up(run: RunPaths, client: Client, made: Submitted) -> Submitted:
    known = _job_that_began(run, made) or next(iter(client.find(made.token, since=made.time)), None)
    if known is not None:
        return replace(made, job=known)
    return replace(made, was_refused=time.time() - made.time > IN_FLIGHT_S)


def _job_that_began(run: RunPaths, made: Submitted) -> JobId | None:
    """Return the job of a submission of which a task has begun."""
    for index in made.tasks:
        status = read_status(run.task(index))
        if status.job_id and (status.started or 0.0) >= made.time:
            return JobId.parse(status.job_id).job if len(made.tasks) > 1 else JobId.parse(status.job_id)
    return None
