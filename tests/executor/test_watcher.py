"""What becomes of jobs in submitit's words, and what a failed query changes: nothing."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

import pytest
from submitit.core import core, utils

from nsg_cluster.core.errors import MachineError
from nsg_cluster.executor import watcher as module
from nsg_cluster.executor.client import Answer, Client
from nsg_cluster.executor.watcher import WORDS, JobFiles, SchedulerWatcher
from nsg_cluster.scheduler.pbs import Pbs
from nsg_cluster.scheduler.types import JobId, JobState, JobStatus, Source


class Scheduler:
    """What a scheduler says: states by job, or nothing when it is down."""

    def __init__(self) -> None:
        self.states: dict[str, JobState] = {}
        self.is_down = False
        self.complaint = ""
        self.asked: list[set[str]] = []

    def status(self, _: Client, jobs: Collection[JobId], *, since: float) -> Answer:
        """Answer."""
        self.asked.append({str(job) for job in jobs})
        assert since <= time.time()
        if self.is_down:
            raise MachineError("qstat: cannot connect")
        known = {
            job: JobStatus(id=job, state=self.states[str(job)], raw="raw", source=Source.QUEUE)
            for job in jobs
            if str(job) in self.states
        }
        absent = frozenset() if self.complaint else frozenset(set(jobs) - known.keys())
        return Answer(known=known, absent=absent, complaint=self.complaint)


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    """Return the scheduler that is asked."""
    made = Scheduler()
    monkeypatch.setattr(Client, "status", lambda client, jobs, since: made.status(client, jobs, since=since))
    return made


@pytest.fixture
def watcher(tmp_path: Path) -> SchedulerWatcher:
    """Return a watcher of job 7 and element 2 of job 8."""
    made = SchedulerWatcher(Pbs())
    for job in ("7", "8_2"):
        made.watch(utils.JobPaths(tmp_path, job_id=job))
    return made


def state(watcher: SchedulerWatcher, job: str = "7") -> str:
    """Return a state, asking the scheduler."""
    watcher.update()
    return watcher.get_state(job, mode="cache")


def test_every_state_has_a_word_and_only_what_is_over_counts_as_done() -> None:
    assert set(WORDS) == set(JobState)
    for each, word in WORDS.items():
        plain = core.InfoWatcher()
        plain.get_state = lambda job_id, mode="", word=word: word  # type: ignore[method-assign]
        assert plain.is_done("7") is each.is_over, each


def test_one_query_serves_all_jobs_and_what_is_over_is_not_asked_for_again(
    watcher: SchedulerWatcher, scheduler: Scheduler
) -> None:
    scheduler.states = {"7": JobState.RUNNING, "8_2": JobState.SUCCEEDED}
    assert state(watcher) == "RUNNING"
    assert watcher.get_state("8_2", mode="cache") == "COMPLETED"
    assert state(watcher) == "RUNNING"
    assert scheduler.asked == [{"7", "8_2"}, {"7"}]
    assert watcher.num_calls == 2
    scheduler.states["7"] = JobState.FAILED
    state(watcher)
    watcher.update()
    assert watcher.num_calls == 3


def test_a_failed_query_changes_nothing(watcher: SchedulerWatcher, scheduler: Scheduler) -> None:
    scheduler.is_down = True
    assert state(watcher) == "UNKNOWN"
    assert not watcher.is_done("7", mode="cache")
    scheduler.is_down, scheduler.states = False, {"7": JobState.RUNNING}
    assert state(watcher) == "RUNNING"
    scheduler.is_down = True
    assert state(watcher) == "RUNNING"


def test_a_job_that_nobody_knows_is_lost_after_a_while_and_not_before(
    watcher: SchedulerWatcher, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.states = {"7": JobState.RUNNING}
    state(watcher)
    scheduler.states = {}
    assert state(watcher) == "RUNNING", "gone from the queue, not yet in the accounting"
    monkeypatch.setattr(module, "LOST_AFTER_S", 0.0)
    scheduler.is_down = True
    assert state(watcher) == "RUNNING", "only a scheduler that answers can say so"
    scheduler.is_down, scheduler.complaint = False, "the accounts are down"
    assert state(watcher) == "RUNNING", "and one whose accounts answer"
    scheduler.complaint = ""
    assert state(watcher) == "LOST"
    assert watcher.get_info("7", mode="cache")["Source"] == "absence"


def test_a_job_that_comes_back_is_not_lost(
    watcher: SchedulerWatcher, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    state(watcher)
    scheduler.states = {"7": JobState.RUNNING, "8_2": JobState.RUNNING}
    state(watcher)
    scheduler.states = {}
    before = time.time()
    monkeypatch.setattr(time, "time", lambda: before + module.LOST_AFTER_S / 2)
    assert state(watcher) == "RUNNING"


def test_the_tombstone_decides_where_the_scheduler_has_forgotten_or_says_only_that_it_failed(
    watcher: SchedulerWatcher, scheduler: Scheduler, tmp_path: Path
) -> None:
    for job in ("7", "8_2"):
        JobFiles(utils.JobPaths(tmp_path, job_id=job)).cancelled.touch()
    scheduler.states = {"8_2": JobState.FAILED}
    assert (state(watcher), watcher.get_state("8_2", mode="cache")) == ("CANCELLED", "CANCELLED")


def test_a_cancelled_job_that_has_succeeded_all_the_same_has_succeeded(
    watcher: SchedulerWatcher, scheduler: Scheduler, tmp_path: Path
) -> None:
    JobFiles(utils.JobPaths(tmp_path, job_id="7")).cancelled.touch()
    scheduler.states = {"7": JobState.SUCCEEDED}
    assert state(watcher) == "COMPLETED"


def test_the_job_that_goes_on_with_another_is_asked_for_instead(
    watcher: SchedulerWatcher, scheduler: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    continued = JobFiles(utils.JobPaths(tmp_path, job_id="8_2")).continued
    scheduler.states = {"7": JobState.RUNNING, "8_2": JobState.FAILED, "12": JobState.QUEUED}

    def go_on(jobs: Collection[JobId], *, since: float) -> Answer:
        found = scheduler.status(watcher._client, jobs, since=since)
        continued.write_text("12")
        return found

    monkeypatch.setattr(watcher._client, "status", go_on)
    assert state(watcher, "8_2") == "UNKNOWN", "its end is not the end"
    assert state(watcher, "8_2") == "PENDING"
    scheduler.states["12"] = JobState.SUCCEEDED
    assert state(watcher, "8_2") == "COMPLETED"
    assert watcher.get_info("8_2", mode="cache")["JobID"] == "12"


def test_the_words_of_the_queue_are_read_as_text_too(watcher: SchedulerWatcher) -> None:
    text = '{"Jobs": {"7.srv": {"job_state": "R"}, "8[2].srv": {"job_state": "?"}}}'
    assert watcher.read_info(text.encode()) == {
        "7": {"JobID": "7", "State": "RUNNING"},
        "8_2": {"JobID": "8_2", "State": "UNKNOWN"},
    }


def test_forgetting_asks_again(watcher: SchedulerWatcher, scheduler: Scheduler) -> None:
    scheduler.states = {"7": JobState.SUCCEEDED, "8_2": JobState.SUCCEEDED}
    assert state(watcher) == "COMPLETED"
    watcher.clear()
    assert watcher.get_state("7", mode="cache") == "UNKNOWN"
    assert state(watcher) == "COMPLETED"
