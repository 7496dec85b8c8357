"""Cancelling and submitting again on a cluster: `nsg_cluster.runs.withdraw`, `nsg_cluster.runs.again`."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

import pytest

from nsg_cluster.core.errors import MachineError, RunError
from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.runs import withdraw as withdrawing
from nsg_cluster.runs.clean import remove
from nsg_cluster.runs.control import cancel, resubmit
from nsg_cluster.runs.jobs import Jobs, Submitted, read_jobs
from nsg_cluster.runs.status import read_run
from nsg_cluster.runs.submit import create, make_plan
from nsg_cluster.runs.withdraw import wait_until_gone
from nsg_cluster.scheduler.types import JobId, JobState
from nsg_cluster.tasks.status import TaskStatus, read_status, write_status
from tests.contract.runs import Bench, bench
from tests.runs.test_look import DEAD, QUEUED, Scheduler, scheduler, submitted

__all__ = ["bench", "scheduler"]
ALIVE = TaskStatus(state="running", pid=1, pid_start=1.0, host="elsewhere", heartbeat=9e9)


class Cancelling(Scheduler):
    """Also keeps what it was told to cancel."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: list[str] = []

    def cancel(self, jobs: Collection[JobId]) -> None:
        if self.is_down:
            raise MachineError("scancel: the server does not answer")
        self.cancelled += [f"{job}{'[]' if job.is_array else ''}" for job in jobs]
        for job in list(self.answers):
            if job in jobs or job.job in jobs:
                self.say(job.index, JobState.CANCELLED)


@pytest.fixture
def cancelling(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> Cancelling:
    """Return a scheduler that is told to cancel."""
    found = Cancelling()
    found.answers = scheduler.answers
    monkeypatch.setattr(withdrawing, "Client", found)
    return found


def test_an_array_that_waits_is_cancelled_with_one_word(tmp_path: Path, cancelling: Cancelling) -> None:
    run = submitted(tmp_path, *[QUEUED] * 50, TaskStatus(state="succeeded"))
    row = cancel(run)
    assert cancelling.cancelled == ["15[]"]
    assert row.tasks[50].status.state == "succeeded" and row.tasks[7].status.source == "tombstone"


def test_what_writes_a_last_checkpoint_is_left_to_end_by_itself_for_a_while(
    tmp_path: Path, cancelling: Cancelling
) -> None:
    run = submitted(tmp_path, ALIVE, QUEUED, DEAD, TaskStatus(state="succeeded"))
    cancelling.say(2, JobState.RUNNING)
    row = cancel(run, wait_s=0)
    assert cancelling.cancelled == ["15_1", "15_2"], "but what runs unheard is not"
    assert [task.status.state for task in row.tasks] == ["running", "cancelled", "cancelled", "succeeded"]
    assert run.task(0).cancelled.exists() and not run.task(3).cancelled.exists()
    write_json(run.task(0).cancelled, {"time": time.time() - 1000})
    cancel(run, [0], wait_s=0)
    assert cancelling.cancelled[2:] == ["15_0"], "it had its time"


def test_a_silent_scheduler_does_not_keep_tombstones_from_being_written(tmp_path: Path, cancelling: Cancelling) -> None:
    run = submitted(tmp_path, QUEUED, QUEUED)
    cancelling.is_down = True
    with pytest.raises(MachineError, match="marked as cancelled and will do nothing if they start"):
        cancel(run)
    assert run.task(1).cancelled.exists()


def test_jobs_are_waited_for_until_they_are_gone_and_blocked_ones_are_cancelled(
    cancelling: Cancelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelling.say(0, JobState.BLOCKED)
    wait_until_gone("slurm", {0: JobId("15", 0)}, since=1.0)
    assert cancelling.cancelled == ["15_0"]
    cancelling.say(1, JobState.RUNNING)
    monkeypatch.setattr(withdrawing, "LEAVING_S", 0.0)
    with pytest.raises(RunError, match="job 15_1 of task 4 has not left slurm yet"):
        wait_until_gone("slurm", {4: JobId("15", 1)}, since=1.0)


@pytest.fixture
def failed(bench: Bench, cancelling: Cancelling) -> Bench:
    """Return a bench whose run has been on a cluster: one task succeeded, one failed, one was cancelled."""
    bench.run = create(
        make_plan(bench.write(), ["sweep={grid: {seed: [0, 1, 2]}}"], site="slurm"),
        jobs=Jobs(scheduler="slurm", submissions=(Submitted(token="t", time=1.0, tasks=(0, 1, 2), job=JobId("15")),)),
    )
    for index, state in enumerate(("succeeded", "failed", "queued")):
        write_status(bench.run.task(index), TaskStatus(state=state, attempt=2))  # type: ignore[arg-type]
        cancelling.say(index, JobState.CANCELLED)
    write_json(bench.run.task(2).cancelled, {"time": 5.0})
    return bench


def test_what_is_refused_leaves_everything_as_it_was(failed: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    before = read_jobs(failed.run)
    with pytest.raises(MachineError, match="no program 'sbatch' on PATH"):
        resubmit(failed.run)
    assert [read_status(failed.run.task(index)).state for index in range(3)] == ["succeeded", "failed", "queued"]
    assert read_json(failed.run.task(2).cancelled) == {"time": 5.0}
    assert read_jobs(failed.run) == before


def test_only_what_has_not_succeeded_is_submitted_again(failed: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = failed.root / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.argv"\necho 77\n')
    (folder / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    assert resubmit(failed.run) == [1, 2]
    argv = (folder / "sbatch.argv").read_text().splitlines()
    assert "--array=0-1" in argv
    jobs = read_jobs(failed.run)
    assert jobs and jobs.submissions[-1].elements() == {1: JobId("77", 0), 2: JobId("77", 1)}
    assert jobs.submissions[-1].token.endswith(".2-tiny")
    assert read_status(failed.run.task(2)) == TaskStatus(attempt=2)
    assert not failed.run.task(2).cancelled.exists()


def test_while_it_is_not_known_what_became_of_a_run_it_is_not_submitted_again(
    failed: Bench, scheduler: Scheduler
) -> None:
    write_status(failed.run.task(0), DEAD)
    scheduler.is_down = True
    with pytest.raises(MachineError, match="does not answer\nNothing was submitted"):
        resubmit(failed.run)


def test_cleaning_takes_jobs_that_will_never_start_out_of_their_queue(tmp_path: Path, cancelling: Cancelling) -> None:
    run = submitted(tmp_path, TaskStatus(state="succeeded"), QUEUED)
    cancelling.say(1, JobState.BLOCKED)
    row = read_run(run)
    assert (row.tasks[1].status.state, row.is_final) == ("blocked", True)
    remove(run, row)
    assert cancelling.cancelled == ["15[]"] and not run.root.exists()
