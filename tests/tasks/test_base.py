"""`nsg_cluster.tasks.base` and `nsg_cluster.tasks.heartbeat`: what a job runs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from submitit.helpers import DelayedSubmission

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.tasks import heartbeat
from nsg_cluster.tasks.base import Task
from nsg_cluster.tasks.heartbeat import Heartbeat
from nsg_cluster.tasks.status import read_status
from nsg_cluster.tasks.watch import package_environment
from tests.contract.runs import until

CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CHECKOUT)}


def test_the_pickle_is_small_and_loads_without_torch(tmp_path: Path) -> None:
    file = tmp_path / "task.pkl"
    DelayedSubmission(Task("/storage/runs/lego/20261121T071012-k3x9a2/tasks/0/spec.yaml")).dump(file)
    assert file.stat().st_size < 1000
    code = f"""
import pickle, sys
found = pickle.load(open({str(file)!r}, "rb"))
assert found.function.spec_path.endswith("tasks/0/spec.yaml")
heavy = {{"torch", "numpy", "pydantic", "yaml", "rich"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRONMENT, timeout=60)


def test_a_checkpoint_is_the_same_task_again() -> None:
    again = Task("a/spec.yaml").checkpoint()
    assert isinstance(again, DelayedSubmission)
    assert pickle.loads(pickle.dumps(again.function)).spec_path == "a/spec.yaml"


def test_the_heartbeat_stays_fresh_and_tells_of_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_S", 0.05)
    paths = TaskPaths(tmp_path)
    with pytest.raises(ZeroDivisionError), Heartbeat(paths, StopSignal()) as beat:
        first = beat.status.heartbeat
        until(lambda: read_status(paths).heartbeat != first)
        assert read_status(paths).state == "running"
        raise ZeroDivisionError("oops")
    status = read_status(paths)
    assert (status.state, status.reason, status.attempt) == ("failed", "ZeroDivisionError: oops", 1)


def test_the_heartbeat_passes_on_a_tombstone_from_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_S", 0.05)
    paths, stop = TaskPaths(tmp_path), StopSignal()
    with Heartbeat(paths, stop) as beat:
        paths.cancelled.write_text("{}")
        until(lambda: stop.requested == "cancel")
        beat.end("cancelled")
    assert read_status(paths).state == "cancelled"


def test_a_task_that_runs_is_not_started_a_second_time(tmp_path: Path) -> None:
    paths = TaskPaths(tmp_path)
    with Heartbeat(paths, StopSignal()) as beat:
        with pytest.raises(RunError, match=f"is in use by process {os.getpid()}"), Heartbeat(paths, StopSignal()):
            pass
        assert read_status(paths) == beat.status
        beat.end("succeeded")
    assert read_status(paths).state == "succeeded"


def test_children_find_this_package_and_nothing_else_from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    assert package_environment({})["PYTHONPATH"] == str(CHECKOUT)
    assert package_environment({"PYTHONPATH": "/a:/b"})["PYTHONPATH"] == f"{CHECKOUT}:/a:/b"
    assert "PYTHONPATH" not in package_environment({"PYTHONPATH": f"/a:{CHECKOUT}"})
