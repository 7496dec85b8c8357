"""What a job is told, and what it waits for: `nsg_cluster.tasks.orders`, `nsg_cluster.tasks.after`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import write_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.tasks.after import verdict
from nsg_cluster.tasks.base import Task
from nsg_cluster.tasks.orders import Orders, in_job, literal, read_orders
from nsg_cluster.tasks.status import TaskStatus, read_status, write_status


def make(root: Path, *statuses: TaskStatus) -> RunPaths:
    """Write a run."""
    run = RunPaths(root)
    for index, status in enumerate(statuses):
        run.task(index).root.mkdir(parents=True)
        write_status(run.task(index), status)
    write_json(run.record, {})
    return run


def test_a_run_without_orders_runs_with_this_very_python(tmp_path: Path) -> None:
    assert in_job(read_orders(RunPaths(tmp_path)).command, {}) == [sys.executable, "-m", "nsg_cluster.tasks"]


def test_orders_are_read_back_and_damage_is_told(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    orders = Orders(command=("a b", "$X"), after=("/r",), continuations=3)
    write_json(run.orders, orders.to_json())
    assert read_orders(run) == orders
    run.orders.write_text("[]")
    with pytest.raises(RunError, match=r"orders\.json: is damaged"):
        read_orders(run)


def test_variables_of_the_job_stand_in_the_command_and_dollars_stay_dollars() -> None:
    command = ("run", "--bind=$PBS_LOCALDIR:/x", "${A}b", literal("it's $5 `x`"))
    assert in_job(command, {"PBS_LOCALDIR": "/l", "A": "1 2"}) == ["run", "--bind=/l:/x", "1 2b", "it's $5 `x`"]
    with pytest.raises(RunError, match="the variable SSG_LOCALDIR is not set in this job"):
        in_job(("$SSG_LOCALDIR",), {"SGE_LOCALDIR": "/l"})
    with pytest.raises(RunError, match=r"or \$\$ for a dollar"):
        in_job(("$(touch x)",), {})


def test_the_orders_program_computes_the_task(tmp_path: Path) -> None:
    run = make(tmp_path, TaskStatus())
    run.task(0).spec.write_text("name: x\ndata: {kind: synthetic}\nmodel: {kind: instant_ngp}\n")
    write_json(run.orders, Orders(command=("sh", "-c", 'printf "%s|" "$$@"', "$HOME")).to_json())
    assert Task(str(run.task(0).spec))() == 0
    assert run.task(0).log_out.read_text() == f"{run.task(0).root}|--watched|"
    assert read_status(run.task(0)).state == "succeeded"


DONE, BAD = TaskStatus(state="succeeded"), TaskStatus(state="failed")
GOES_ON = TaskStatus(state="queued", stopped_at=(0, 5))
RUNS = TaskStatus(state="running", pid=1, pid_start=1.0, host="elsewhere", heartbeat=time.time() + 1e6)
KILLED = TaskStatus(state="running", pid=1, pid_start=1.0, host=os.uname().nodename)


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ([DONE, DONE], "met"),
        ([DONE, RUNS], "not yet"),
        ([DONE, GOES_ON], "not yet"),
        ([RUNS, BAD], "never"),
        ([DONE, TaskStatus()], "never"),
        ([DONE, KILLED], "never"),
    ],
)
def test_a_task_waits_for_all_of_a_run_and_never_begins_after_a_failure(
    tmp_path: Path, statuses: list[TaskStatus], kind: str
) -> None:
    run = make(tmp_path / "20261121T071012-k3x9a2", *statuses)
    found = verdict([str(run.root)])
    assert found.kind == kind
    assert kind == "met" or "run k3x9a2" in found.reason


def test_after_a_run_that_is_gone_nothing_begins_and_the_task_says_so(tmp_path: Path) -> None:
    run = make(tmp_path, TaskStatus())
    write_json(run.orders, Orders(after=(str(tmp_path / "x-gone22"),)).to_json())
    assert Task(str(run.task(0).spec))() != 0
    status = read_status(run.task(0))
    assert (status.state, status.reason) == ("blocked", "run gone22, after which it was to begin, is gone")
