"""The warning before the time limit: from a clock in the job, once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from submitit.core import utils

from nsg_cluster.executor.environment import STARTED, WARN_AFTER, SchedulerEnvironment
from nsg_cluster.executor.gridengine import RESCHEDULE, GridEngineJobEnvironment
from nsg_cluster.executor.pbs import PbsJobEnvironment
from tests.executor.functions import Count


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGCONT)}
    yield
    # A clock that goes on would end whatever this process tests by then.
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
            thread.join()
    for number, handler in before.items():
        signal.signal(number, handler)


def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, warn_after_s: float) -> Path:
    """Set the environment of job 7, whose function is a count, and return the count's file."""
    for name, value in {
        "SUBMITIT_FOLDER": str(tmp_path),
        "NSG_JOB_ID": "7",
        STARTED: str(time.time()),
        WARN_AFTER: str(warn_after_s),
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "count"


def handle(environment: SchedulerEnvironment, count: Path) -> None:
    """Listen to signals as submitit does before it calls the function."""
    delayed = utils.DelayedSubmission(Count(str(count), 1000))
    delayed.set_timeout(1, 5)
    environment._handle_signals(environment.paths, delayed)


def test_the_clock_warns_the_function_once_and_grid_engine_is_asked_to_queue_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = prepared(tmp_path, monkeypatch, warn_after_s=0.2)
    handle(GridEngineJobEnvironment(), count)
    with pytest.raises(SystemExit) as left:
        Count(str(count), 1000)()
    assert left.value.code == RESCHEDULE
    # While it wrote its checkpoint it sent itself a second signal.
    assert count.read_text().count("checkpoint") == 1
    kept = utils.DelayedSubmission.load(tmp_path / "7_submitted.pkl")
    assert kept.function.number == 1000


def test_without_a_limit_nothing_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = prepared(tmp_path, monkeypatch, warn_after_s=0.0)
    monkeypatch.delenv(WARN_AFTER)
    handle(GridEngineJobEnvironment(), count)
    time.sleep(0.2)
    assert not count.exists()


def test_a_termination_that_reaches_everybody_does_not_end_the_job_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle(GridEngineJobEnvironment(), prepared(tmp_path, monkeypatch, warn_after_s=100))
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGCONT)


def test_a_cancelled_job_of_pbs_does_not_submit_itself_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(tmp_path, monkeypatch, warn_after_s=0)
    (tmp_path / "7_cancelled").touch()
    monkeypatch.setenv("NSG_RESUBMIT", "/nonexistent/qsub job.sh")
    PbsJobEnvironment()._requeue(3)
    assert not (tmp_path / "7_continued").exists()


def test_a_job_of_pbs_submits_itself_with_the_number_that_it_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(tmp_path, monkeypatch, warn_after_s=0)
    qsub = tmp_path / "qsub"
    qsub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/asked\necho 12.pbs1\n')
    qsub.chmod(0o755)
    monkeypatch.setenv("NSG_RESUBMIT", f"{qsub} -o '/a b/' /x/job.sh")
    monkeypatch.setenv("NSG_JOB_ID", "7_3")
    with pytest.raises(SystemExit) as ended:
        PbsJobEnvironment()._requeue(3)
    assert ended.value.code == 0, "what waits for this job's success is not to be given up"
    assert (tmp_path / "7_3_continued").read_text() == "12"
    assert (tmp_path / "asked").read_text().splitlines() == ["-v", "NSG_CONTINUES=7_3", "-o", "/a b/", "/x/job.sh"]
