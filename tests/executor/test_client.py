"""Conversations with programs that stand for a scheduler's."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.core.errors import MachineError
from nsg_cluster.executor.client import Answer, Client
from nsg_cluster.scheduler.gridengine import GridEngine
from nsg_cluster.scheduler.pbs import Pbs
from nsg_cluster.scheduler.slurm import Slurm
from nsg_cluster.scheduler.types import JobId, JobState

QUEUE = "1|1|1|N/A|R|RUNNING|None|a\n2|2|2|N/A|PD|PENDING|Resources|a\n"
ACCOUNTS = "JobID|State|ExitCode\n1|COMPLETED|0:0\n3|FAILED|2:0\n9|FAILED|2:0\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of programs, the only ones on PATH beside the system's."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def program(folder: Path, name: str, body: str) -> None:
    """Write a program that also writes down its arguments."""
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> {folder}/asked\n{body}\n')
    path.chmod(0o755)


def says(text: str) -> str:
    """Return a line of sh that prints a text."""
    return f"cat <<'END'\n{text}END"


def test_the_queue_comes_before_the_accounts_and_two_calls_suffice(programs: Path) -> None:
    program(programs, "squeue", says(QUEUE))
    program(programs, "sacct", says(ACCOUNTS))
    wanted = [JobId(str(number)) for number in (1, 2, 3, 4)]
    found = Client(Slurm()).status(wanted, since=0.0)
    assert found.absent == {JobId("4")}
    assert {str(job): status.state for job, status in found.known.items()} == {
        "1": JobState.RUNNING,
        "2": JobState.QUEUED,
        "3": JobState.FAILED,
    }
    asked = (programs / "asked").read_text().splitlines()
    assert len(asked) == 2
    assert "--jobs=3,4 " in asked[1]


def test_jobs_that_are_all_in_the_queue_need_no_accounts(programs: Path) -> None:
    program(programs, "squeue", says(QUEUE))
    assert set(Client(Slurm()).status([JobId("1"), JobId("2")], since=0.0).known) == {JobId("1"), JobId("2")}
    assert Client(Slurm()).status([], since=0.0) == Answer()
    assert len((programs / "asked").read_text().splitlines()) == 1


def test_the_accounts_add_the_exit_status_of_a_job_that_the_queue_says_has_ended(programs: Path) -> None:
    program(programs, "squeue", says("3|3|3|N/A|F|FAILED|NonZeroExitCode|a\n1|1|1|N/A|CD|COMPLETED|None|a\n"))
    program(programs, "sacct", says("JobID|State|ExitCode\n3|FAILED|2:0\n1|RUNNING|0:0\n"))
    known = Client(Slurm()).status([JobId("1"), JobId("3")], since=0.0).known
    assert (known[JobId("3")].exit_status, known[JobId("1")].state) == (2, JobState.SUCCEEDED)


def test_accounts_that_do_not_answer_leave_what_the_queue_says(programs: Path) -> None:
    program(programs, "squeue", says(QUEUE))
    program(programs, "sacct", "echo 'slurmdbd is down' >&2; exit 1")
    answer = Client(Slurm()).status([JobId("1"), JobId("3")], since=0.0)
    assert set(answer.known) == {JobId("1")}
    assert not answer.absent, "nothing can be said of job 3"
    assert "slurmdbd is down" in answer.complaint


def test_a_query_that_fails_tells_nothing(programs: Path) -> None:
    program(programs, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    program(programs, "sacct", says(ACCOUNTS))
    with pytest.raises(MachineError, match="Unable to contact"):
        Client(Slurm()).status([JobId("3")], since=0.0)
    with pytest.raises(MachineError, match="no program 'qstat'"):
        Client(GridEngine()).status([JobId("3")], since=0.0)


def test_broken_json_is_asked_for_as_text(programs: Path) -> None:
    text = "Job Id: 3.srv\n    job_state = R\n    substate = 42\n\n"
    program(programs, "qstat", f"case $* in *json*) echo '{{005' ;; *) {says(text)}\n;; esac")
    found = Client(Pbs()).status([JobId("3")], since=0.0)
    assert found.known[JobId("3")].state is JobState.RUNNING
    assert len((programs / "asked").read_text().splitlines()) == 2


def test_the_reason_of_a_blocked_job_is_fetched(programs: Path) -> None:
    entry = "<job_list><JB_job_number>5</JB_job_number><state>Eqw</state></job_list>"
    reason = "job_number: 5\nerror reason 1: date [1:2]: error: no such folder\n"
    program(programs, "qstat", f"case $1 in -j) {says(reason)}\n;; *) echo '<x>{entry}</x>' ;; esac")
    status = Client(GridEngine()).status([JobId("5")], since=0.0).known[JobId("5")]
    assert (status.state, status.reason) == (JobState.BLOCKED, "error: no such folder")


def test_cancelling_asks_once_and_nothing_for_nobody(programs: Path) -> None:
    program(programs, "qdel", "")
    Client(Pbs()).cancel([])
    Client(Pbs()).cancel([JobId("5", 1, server="s"), JobId("6", server="s")])
    assert (programs / "asked").read_text() == "qdel 5[1].s 6.s\n"
