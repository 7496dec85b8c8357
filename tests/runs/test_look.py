"""Whose word counts: `nsg_cluster.runs.look`, with what `nsg_cluster.runs.asking` remembers."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.executor.client import Answer, Client
from nsg_cluster.runs import asking, cluster, look
from nsg_cluster.runs.jobs import Jobs, Submitted, read_jobs
from nsg_cluster.runs.logs import error_log
from nsg_cluster.runs.status import RunReader, RunRow, read_rows, read_run
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.types import JobId, JobState, JobStatus, Source
from nsg_cluster.tasks.status import TaskStatus, write_status
from tests.runs.test_status import make_run

ARRAY = JobId("15", is_array=True)
# A process that is gone, on this machine.
DEAD = TaskStatus(state="running", attempt=1, pid=1, pid_start=1.0, host=os.uname().nodename, job_id="15_0")


class Scheduler(Client):
    """Answers what a test wants, and counts the questions."""

    def __init__(self) -> None:
        self.answers: dict[JobId, JobStatus] = {}
        self.is_down = False
        self.names: dict[str, JobId] = {}
        self.questions = 0

    def say(self, index: int | None, state: JobState, source: Source = Source.QUEUE, **more: object) -> None:
        job = JobId("15", index)
        self.answers[job] = JobStatus(id=job, state=state, raw=state.name, source=source, **more)  # type: ignore[arg-type]

    def __call__(self, _: Dialect) -> Scheduler:
        return self

    def status(self, jobs: Collection[JobId], *, since: float) -> Answer:
        assert since
        self.questions += 1
        if self.is_down:
            raise MachineError("squeue: the server does not answer")
        known = {job: self.answers[job] for job in jobs if job in self.answers}
        return Answer(known=known, absent=frozenset(jobs).difference(known))

    def find(self, name: str, *, since: float | None = None) -> list[JobId]:
        if self.is_down:
            raise MachineError("squeue: the server does not answer")
        return [self.names[name]] if name in self.names else []


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    """Return a scheduler in the place of the real ones."""
    found = Scheduler()
    monkeypatch.setattr(asking, "Client", found)
    monkeypatch.setattr(cluster, "Client", found)
    monkeypatch.setattr(asking, "_asked", {})
    return found


def submitted(root: Path, *statuses: TaskStatus, job: JobId | None = ARRAY, ago_s: float = 100.0) -> RunPaths:
    """Write a run that was handed to Slurm."""
    run = make_run(root, *["queued"] * len(statuses))
    for index, status in enumerate(statuses):
        write_status(run.task(index), status)
    made = Submitted(token="k3x9a2-lego", time=time.time() - ago_s, tasks=tuple(range(len(statuses))), job=job)
    Jobs(scheduler="slurm", submissions=(made,)).write(run)
    return run


def first(row: RunRow) -> tuple[str, str]:
    status = row.tasks[0].status
    return status.state, status.source


QUEUED = TaskStatus()


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (TaskStatus(state="succeeded"), JobState.TIMEOUT, ("succeeded", "file")),
        (TaskStatus(state="failed"), JobState.SUCCEEDED, ("failed", "file")),
        (QUEUED, JobState.QUEUED, ("queued", "queue")),
        (QUEUED, JobState.HELD, ("held", "queue")),
        (QUEUED, JobState.BLOCKED, ("blocked", "queue")),
        (QUEUED, JobState.RUNNING, ("starting", "queue")),
        (QUEUED, JobState.UNKNOWN, ("unknown", "queue")),
        (QUEUED, JobState.FAILED, ("failed", "queue")),
        (QUEUED, JobState.CANCELLED, ("cancelled", "queue")),
        (QUEUED, JobState.SUCCEEDED, ("queued", "file")),
        (DEAD, JobState.RUNNING, ("running", "queue")),
        (DEAD, JobState.REQUEUED, ("requeued", "queue")),
        (DEAD, JobState.SUSPENDED, ("suspended", "queue")),
        (DEAD, JobState.FAILED, ("failed", "queue")),
        (DEAD, JobState.OOM, ("oom", "queue")),
        (DEAD, JobState.TIMEOUT, ("timeout", "queue")),
        (DEAD, JobState.NODE_FAIL, ("node_fail", "queue")),
        (DEAD, JobState.SUCCEEDED, ("running", "file")),
        (DEAD, None, ("running", "file")),
        (QUEUED, None, ("queued", "file")),
    ],
)
def test_the_file_comes_first_and_the_scheduler_after_it(
    tmp_path: Path,
    scheduler: Scheduler,
    status: TaskStatus,
    said: JobState | None,
    expected: tuple[str, str],
) -> None:
    run = submitted(tmp_path, status, QUEUED)
    if said:
        scheduler.say(0, said)
    assert first(read_run(run)) == expected


def test_a_task_that_runs_needs_no_scheduler(tmp_path: Path, scheduler: Scheduler) -> None:
    alive = TaskStatus(state="running", pid=1, pid_start=1.0, host="elsewhere", heartbeat=time.time())
    assert first(read_run(submitted(tmp_path, alive))) == ("running", "file")
    assert scheduler.questions == 0


@pytest.mark.parametrize("said", [None, JobState.QUEUED, JobState.CANCELLED, JobState.FAILED])
def test_a_tombstone_outranks_the_scheduler(tmp_path: Path, scheduler: Scheduler, said: JobState | None) -> None:
    run = submitted(tmp_path, QUEUED, QUEUED)
    write_json(run.task(0).cancelled, {"time": 0})
    if said:
        scheduler.say(0, said)
    assert first(read_run(run)) == ("cancelled", "tombstone")


def test_lost_is_only_what_stays_missing_while_the_scheduler_answers(
    tmp_path: Path, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submitted(tmp_path, DEAD, QUEUED)
    monkeypatch.setattr(look, "LOST_AFTER_S", 0.2)
    scheduler.is_down = True
    row = read_run(run, fresh=True)
    time.sleep(0.3)
    assert first(read_run(run, fresh=True)) == ("running", "file"), "a failed query changes nothing"
    assert "does not answer" in row.complaint
    scheduler.is_down = False
    assert first(read_run(run, fresh=True)) == ("running", "file"), "it may be on its way into the accounts"
    time.sleep(0.3)
    row = read_run(run, fresh=True)
    assert [task.status.state for task in row.tasks] == ["lost", "lost"]
    assert "slurm has known nothing of its job 15_0 for" in row.tasks[0].status.reason
    scheduler.say(0, JobState.OOM, Source.ACCOUNTING)
    assert first(read_run(run, fresh=True)) == ("oom", "accounting"), "it was only late"


def test_ends_are_kept_because_schedulers_forget(tmp_path: Path, scheduler: Scheduler) -> None:
    run = submitted(tmp_path, DEAD, QUEUED)
    for index in (0, 1):
        scheduler.say(index, JobState.FAILED, Source.ACCOUNTING, signal=9)
    before = read_run(run)
    assert before.tasks[0].status.reason == "its job 15_0 was ended by signal 9"
    scheduler.answers.clear()
    after = read_run(run, fresh=True)
    assert [task.status.state for task in after.tasks] == ["failed", "failed"]
    assert scheduler.questions == 1 and set(read_json(run.ends)["ends"]) == {"15_0", "15_1"}


def test_a_job_that_ended_before_its_task_began_is_told_by_its_last_words(tmp_path: Path, scheduler: Scheduler) -> None:
    run = submitted(tmp_path, QUEUED, QUEUED)
    run.submitit.mkdir()
    run.job_log("15_0").write_text("bash: singularity: command not found\n")
    scheduler.say(0, JobState.FAILED, exit_status=127)
    status = read_run(run).tasks[0].status
    assert status.reason == "its job 15_0 ended before the task began: bash: singularity: command not found"
    assert status.exit_status == 127
    assert error_log(run, 0, status.job_id) == run.job_log("15_0"), "what `logs --stderr` prints"


def test_a_job_that_goes_on_as_another_is_followed(tmp_path: Path, scheduler: Scheduler) -> None:
    run = submitted(tmp_path, QUEUED, QUEUED)
    run.submitit.mkdir()
    run.continued("15_0").write_text("16")
    scheduler.say(0, JobState.FAILED)
    scheduler.answers[JobId("16")] = JobStatus(id=JobId("16"), state=JobState.HELD, raw="H", source=Source.QUEUE)
    assert first(read_run(run)) == ("held", "queue")


def test_many_runs_are_one_question_and_asking_again_at_once_is_none(tmp_path: Path, scheduler: Scheduler) -> None:
    runs = [submitted(tmp_path / str(number), QUEUED, QUEUED) for number in range(20)]
    readers = [RunReader(run) for run in runs]
    for _ in range(3):
        assert len(read_rows(readers)) == 20
    assert scheduler.questions == 1
    read_rows(readers, fresh=True)
    assert scheduler.questions == 2


def test_a_launcher_that_died_leaves_a_token_by_which_the_job_is_found(tmp_path: Path, scheduler: Scheduler) -> None:
    run = submitted(tmp_path, QUEUED, QUEUED, job=None, ago_s=1)
    assert first(read_run(run)) == ("submitted", "file"), "it may still be on its way"
    scheduler.names["k3x9a2-lego"] = ARRAY
    scheduler.say(0, JobState.QUEUED)
    assert first(read_run(run)) == ("queued", "queue")
    jobs = read_jobs(run)
    assert jobs and jobs.submissions[0].job == ARRAY


def test_a_submission_that_never_was_is_said_to_be_lost(tmp_path: Path, scheduler: Scheduler) -> None:
    run = submitted(tmp_path, QUEUED, job=None, ago_s=1000)
    scheduler.is_down = True
    row = read_run(run)
    assert first(row) == ("submitted", "file") and "does not answer" in row.complaint
    scheduler.is_down = False
    row = read_run(run)
    assert first(row) == ("lost", "absence")
    assert "was never submitted: the scheduler knows no job k3x9a2-lego" in row.tasks[0].status.reason


def test_tasks_that_were_run_by_hand_since_are_no_business_of_the_scheduler(
    tmp_path: Path, scheduler: Scheduler
) -> None:
    run = submitted(tmp_path, QUEUED, QUEUED)
    jobs = read_jobs(run)
    assert jobs
    jobs.run_by_hand([0]).write(run)
    scheduler.say(1, JobState.QUEUED)
    assert [task.status.state for task in read_run(run).tasks] == ["lost", "queued"], "nobody is in charge of the first"
