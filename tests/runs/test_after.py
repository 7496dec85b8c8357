"""Runs that wait for others: `nsg_cluster.runs.after`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.core.errors import ConfigError, RunError
from nsg_cluster.runs.after import dependency_on
from nsg_cluster.scheduler.types import Dependency, JobId, JobState
from nsg_cluster.tasks.status import TaskStatus
from tests.runs.test_look import ARRAY, QUEUED, Scheduler, scheduler, submitted
from tests.runs.test_status import make_run

__all__ = ["scheduler"]
DONE = TaskStatus(state="succeeded")


def test_a_scheduler_waits_for_the_jobs_of_what_has_not_ended(tmp_path: Path, scheduler: Scheduler) -> None:
    run = submitted(tmp_path, DONE, QUEUED, QUEUED)
    for index in (1, 2):
        scheduler.say(index, JobState.QUEUED)
    assert dependency_on([run], "slurm") == Dependency(jobs=(ARRAY,), success=True)
    assert dependency_on([submitted(tmp_path / "ended", DONE)], "slurm") is None


def test_a_continuing_job_is_waited_for_under_its_new_number(tmp_path: Path, scheduler: Scheduler) -> None:
    run = submitted(tmp_path, QUEUED, job=JobId("15"))
    run.submitit.mkdir()
    run.continued("15").write_text("16")
    scheduler.say(None, JobState.QUEUED)
    found = dependency_on([run], "slurm")
    assert found and found.jobs == (JobId("16"),)


def test_after_a_failure_nothing_can_begin(tmp_path: Path, scheduler: Scheduler) -> None:
    run = submitted(tmp_path, DONE, TaskStatus(state="failed"))
    with pytest.raises(RunError, match="after run k3x9a2 nothing can begin: task 1 of it is failed"):
        dependency_on([run], "slurm")
    assert scheduler.questions == 0


def test_a_scheduler_cannot_wait_for_another(tmp_path: Path, scheduler: Scheduler) -> None:
    scheduler.say(0, JobState.QUEUED)
    with pytest.raises(ConfigError, match="is in the hands of slurm; a run of pbs cannot wait for it"):
        dependency_on([submitted(tmp_path, QUEUED, QUEUED)], "pbs")
    alive = TaskStatus(state="running", pid=1, pid_start=1.0, host="elsewhere", heartbeat=9e9)
    here = make_run(tmp_path / "here", "running", pid=alive.pid, pid_start=1.0, host="elsewhere", heartbeat=9e9)
    with pytest.raises(ConfigError, match="is in the hands of this machine"):
        dependency_on([here], "slurm")


def test_what_may_not_have_been_submitted_is_not_waited_for(tmp_path: Path, scheduler: Scheduler) -> None:
    with pytest.raises(RunError, match="its job is not known yet"):
        dependency_on([submitted(tmp_path, QUEUED, job=None, ago_s=1)], "slurm")
    assert scheduler.questions == 0
