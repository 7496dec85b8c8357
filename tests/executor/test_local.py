"""The local executor: the contract, and what is particular about it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nsg_cluster.core.errors import ConfigError, MachineError, RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.core.process import process_start_time
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.executor import local
from nsg_cluster.executor.request import Request, TaskRequest
from nsg_cluster.runs.control import resubmit
from nsg_cluster.runs.find import all_runs
from nsg_cluster.runs.status import read_run
from nsg_cluster.runs.submit import create, make_plan
from nsg_cluster.tasks.status import TaskStatus, read_status, write_status
from nsg_cluster.tasks.watch import VISIBLE_GPUS
from tests.contract.executor import SWEEP, ExecutorContract
from tests.contract.person import LocalPerson, Person
from tests.contract.runs import Bench, bench, until
from tests.contract.terminal import started_at_a_terminal

__all__ = ["bench"]
CHECKOUT = Path(__file__).resolve().parents[2]


class TestLocal(ExecutorContract):
    """The contract on this machine."""

    killed = "lost"

    @pytest.fixture
    def person(self, tmp_path: Path) -> Iterator[Person]:
        """Return whoever runs the tests."""
        found = LocalPerson(root=tmp_path, site="local")
        yield found
        found.end_everything()


def test_a_run_outlives_the_terminal_that_it_was_started_from(bench: Bench) -> None:
    argv = [sys.executable, str(CHECKOUT / "launch.py"), str(bench.write(steps=30)), "--site", "local"]
    launcher = started_at_a_terminal(argv, stdout=subprocess.DEVNULL)
    until(lambda: all_runs(bench.storage), "a run")
    (run,) = all_runs(bench.storage)
    bench.wait_for_step(run)
    os.killpg(launcher.pid, signal.SIGHUP)  # what closing the window does
    assert launcher.wait(timeout=60) == -signal.SIGHUP
    assert bench.wait(run).state == "succeeded"
    until(lambda: "task 0: succeeded" in run.supervisor_log.read_text())


def test_when_the_supervisor_is_killed_running_tasks_end_and_waiting_ones_are_lost(bench: Bench) -> None:
    run = bench.submit(SWEEP, steps=30)
    bench.wait_for_step(run)
    os.kill(read_json(run.supervisor)["pid"], signal.SIGKILL)
    row = bench.wait(run)
    assert [task.status.state for task in row.tasks] == ["succeeded", "lost", "lost"]
    assert "starts the tasks" in row.tasks[1].status.reason
    assert resubmit(run) == [1, 2]
    assert bench.wait(run).state == "succeeded"


def test_when_the_controller_of_submitit_is_killed_the_task_ends_as_if_nothing_were(bench: Bench) -> None:
    run = bench.submit(steps=40)
    bench.wait_for_step(run)
    os.kill(int(read_status(run.task(0)).job_id), signal.SIGKILL)
    assert bench.wait(run).state == "succeeded"


def test_the_script_of_a_run_started_by_hand_goes_on_with_what_has_not_succeeded(bench: Bench) -> None:
    run = bench.submit("sweep={list: [{seed: 1}, {description: fail at 3}]}", steps=5)
    assert bench.wait(run).state == "failed"
    until(lambda: process_start_time(read_json(run.supervisor)["pid"]) is None)
    ended = subprocess.run(["bash", run.script], cwd="/", capture_output=True, check=False, text=True, timeout=60)
    assert ended.returncode == 1, ended.stderr
    assert [task.status.attempt for task in read_run(run).tasks] == [1, 2]


def test_interrupting_the_script_writes_checkpoints_and_cancels(bench: Bench) -> None:
    run = bench.submit(steps=1)
    bench.wait(run)
    (run.task(0).root / "checkpoints" / "count.sha256").write_text("0")
    run.task(0).spec.write_text(run.task(0).spec.read_text().replace("steps: 1\n", "steps: 2000\n"))
    run.task(0).status.unlink()
    until(lambda: process_start_time(read_json(run.supervisor)["pid"]) is None)
    process = started_at_a_terminal(["bash", run.script], stderr=subprocess.DEVNULL)
    until(lambda: read_json(run.task(0).progress)["steps"] == 2000)
    os.killpg(process.pid, signal.SIGINT)  # what Control-C does: every process of the group gets it
    assert process.wait(timeout=60) == 130
    assert read_run(run).state == "cancelled"
    assert int((run.task(0).checkpoints / "count.sha256").read_text()) >= 1


def test_two_supervisors_of_one_run_are_refused_with_a_sentence(bench: Bench) -> None:
    run = bench.submit(steps=200)
    bench.wait_for_step(run)
    second = subprocess.run(["bash", run.script], capture_output=True, check=False, text=True, timeout=60)
    assert second.returncode == 2
    assert "is in use by process" in second.stderr and "Traceback" not in second.stderr


class EndedJob:
    """A job of submitit that has ended."""

    job_id = "1"

    def done(self) -> bool:
        return True

    def stderr(self) -> str:
        return "Traceback …\nModuleNotFoundError: No module named 'nsg_cluster'\n"


def supervise(bench: Bench, monkeypatch: pytest.MonkeyPatch, *ends: TaskStatus | None) -> list[TaskStatus]:
    """Supervise a run of one task whose jobs end so, one after another; return how each found the task."""
    run, left, found = create(make_plan(bench.write())), list(ends), []

    def submit(*_: object) -> EndedJob:
        found.append(read_status(run.task(0)))
        end = left.pop(0)
        if end:
            write_status(run.task(0), end)
        return EndedJob()

    monkeypatch.setattr(local, "_submit", submit)
    monkeypatch.setattr(local, "POLL_S", 0.0)
    monkeypatch.delenv(VISIBLE_GPUS, raising=False)
    local.Supervisor(run, _request(None)).run(StopSignal())
    assert not left
    return [*found, read_status(run.task(0))]


def test_a_task_is_submitted_again_when_submitit_has_used_up_its_attempts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = TaskStatus(state="queued", attempt=6, stopped_at=(0, 500))
    states = supervise(bench, monkeypatch, stopped, TaskStatus(state="succeeded", attempt=7))
    assert states[1] == stopped and states[2].state == "succeeded"


def test_a_job_that_ends_before_its_task_begins_is_a_failure_with_its_last_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, status = supervise(bench, monkeypatch, None)
    assert status.state == "failed" and status.ended
    assert status.reason == ("its job ended before the task began: ModuleNotFoundError: No module named 'nsg_cluster'")


def test_tasks_at_the_same_time_share_the_processors(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "unset")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(local, "num_cpus", lambda: 6)
    supervisor = local.Supervisor(RunPaths(bench.root), _request(None, None, max_parallel=2))
    monkeypatch.setattr(supervisor, "_look_around", lambda: None)  # there is nothing to do
    supervisor.run(StopSignal())
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_tasks_at_the_same_time_get_gpus_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5a,7,9")
    request = _request(2, 2, None, 0, max_parallel=2)
    supervisor = local.Supervisor(RunPaths(tmp_path), request)
    gpus = [supervisor._gpus_of(index, slot) for index, slot in [(0, 0), (1, 1), (2, 1), (3, 0)]]
    assert gpus == ["2,GPU-5a", "7,9", "2,GPU-5a,7,9", ""]


def test_what_the_machine_cannot_do_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    run = RunPaths(tmp_path / "run")
    with pytest.raises(MachineError, match="2 asked for, but this machine has 1"):
        local.check(run, _request(2))
    with pytest.raises(ConfigError, match="walltime: 1s is too short"):
        local.check(run, Request(max_parallel=1, tasks=(TaskRequest(gpus=None, walltime_s=1),)))
    with pytest.raises(RunError, match="submitit would replace '%j'"):
        local.check(RunPaths(tmp_path / "a%job"), _request(0))


def _request(*gpus: int | None, max_parallel: int = 1) -> Request:
    tasks = tuple(TaskRequest(gpus=count, walltime_s=None) for count in gpus)
    return Request(max_parallel=max_parallel, tasks=tasks)
