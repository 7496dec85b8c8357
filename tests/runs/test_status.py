"""Rows of runs and their table: `nsg_cluster.runs.status`, `nsg_cluster.runs.table`."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import write_json
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.executor.charge import put_in_charge
from nsg_cluster.executor.request import Request, TaskRequest
from nsg_cluster.runs.find import all_runs
from nsg_cluster.runs.record import RecordedTask, Sources, new_record
from nsg_cluster.runs.status import RunReader, read_run
from nsg_cluster.runs.table import runs_table, tasks_table
from nsg_cluster.tasks.status import TaskStatus, write_status


def make_run(root: Path, *states: str, name: str = "20261121T071012-k3x9a2", **status: Any) -> RunPaths:
    """Write the folder of a run whose tasks are in these states."""
    run = StoragePaths(root).run("lego", name)
    for index, state in enumerate(states):
        run.task(index).root.mkdir(parents=True)
        write_status(run.task(index), TaskStatus(state=state, **status))  # type: ignore[arg-type]
    tasks = tuple(RecordedTask(name=f"lego.seed-{index}", hash="0") for index in range(len(states)))
    request = Request(max_parallel=1, tasks=tuple(TaskRequest(gpus=None, walltime_s=None) for _ in tasks))
    unknown = Sources(commit=None, dirty=False, difference="")
    record = new_record(name.rpartition("-")[2], "lego", site="local", request=request, tasks=tasks, found=unknown)
    write_json(run.record, replace(record, time=time.time() - 100).to_json())
    return run


@pytest.mark.parametrize(
    ("states", "state", "exit_status"),
    [
        (["succeeded"], "succeeded", 0),
        (["succeeded", "failed", "cancelled"], "failed", 1),
        (["cancelled", "lost", "timeout"], "timeout", 1),
        (["succeeded", "cancelled"], "cancelled", 1),
        (["queued", "queued"], "queued", 1),
        (["queued", "succeeded"], "running", 1),
    ],
)
def test_the_state_of_a_run_is_that_of_its_tasks_together(
    tmp_path: Path, states: list[str], state: str, exit_status: int
) -> None:
    run = make_run(tmp_path, *states)
    put_in_charge(run, os.getpid())
    row = read_run(run)
    assert (row.state, row.exit_status) == (state, exit_status)
    assert row.is_final == ("queued" not in states)


def test_queued_tasks_that_nobody_will_start_are_lost(tmp_path: Path) -> None:
    assert read_run(make_run(tmp_path, "succeeded", "queued")).tasks[1].status.state == "lost"


def test_only_mistakes_of_the_user_make_the_run_one(tmp_path: Path) -> None:
    run = make_run(tmp_path, "failed", "failed", exit_status=2)
    assert read_run(run).exit_status == 2
    write_status(run.task(1), TaskStatus(state="failed", exit_status=1))
    assert read_run(run).exit_status == 1


def test_progress_and_metrics_are_shown_and_damage_is_none_of_them(tmp_path: Path) -> None:
    run = make_run(tmp_path, "succeeded", "succeeded", "succeeded")
    write_json(run.task(0).progress, {"stage": "train", "step": 1200, "steps": 2000})
    write_json(run.task(0).metrics, {"mean": {"psnr": 27.125, "ssim": None}})
    run.task(1).metrics.write_text("{")
    run.task(2).metrics.write_text('{"mean": 3}')
    row = read_run(run)
    assert (row.psnr, row.ssim, row.position) == (27.125, None, "3/3 tasks")
    lines = tasks_table(row).splitlines()
    assert lines[1].split() == ["0", "lego.seed-0", "succeeded", "train", "1200/2000", "27.12"]
    assert lines[2].split() == ["1", "lego.seed-1", "succeeded"]
    assert runs_table([row]).splitlines()[1].split() == [
        "k3x9a2",
        "lego",
        "succeeded",
        "3/3",
        "tasks",
        "27.12",
        "1m40s",
    ]
    document = json.loads(json.dumps(row.to_json(), allow_nan=False))
    assert document["tasks"][0]["step"] == 1200 and document["tasks"][0]["psnr"] == 27.125


def test_of_a_reason_that_begins_with_a_long_path_the_sentence_is_shown(tmp_path: Path) -> None:
    reason = f"/groups/{'a' * 80}/models/model_normalized.obj:7: is cut short"
    row = read_run(make_run(tmp_path, "failed", "failed", reason=reason, exit_status=2))
    assert tasks_table(row).splitlines()[1].endswith("  …/model_normalized.obj:7: is cut short")


def test_control_characters_in_a_reason_do_not_reach_the_terminal(tmp_path: Path) -> None:
    row = read_run(make_run(tmp_path, "failed", "failed", reason="evil \x1b[2J\nforged line"))
    assert "\x1b" not in tasks_table(row) and tasks_table(row).count("\n") == 2


def test_ended_tasks_are_read_once(tmp_path: Path) -> None:
    run = make_run(tmp_path, "succeeded", "failed")
    reader = RunReader(run)
    first = reader.read()
    write_status(run.task(0), TaskStatus(state="failed"))
    assert reader.read() == first != read_run(run)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": "a", "name": "b", "time": "noon", "tasks": []}'])
def test_a_damaged_record_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    run = make_run(tmp_path, "succeeded")
    run.record.write_text(text)
    with pytest.raises(RunError, match=r"record\.json"):
        read_run(run)


def test_a_thousand_tasks_are_listed_in_a_moment(tmp_path: Path) -> None:
    for number in range(10):
        run = make_run(tmp_path, *["succeeded"] * 100, name=f"20261121T0710{number:02d}-k3x9a{number}")
        for index in range(100):
            write_json(run.task(index).progress, {"stage": "render", "step": 60, "steps": 60})
            write_json(run.task(index).metrics, {"mean": {"psnr": 27.0, "ssim": 0.9}})
    began = time.process_time()
    rows = [read_run(run) for run in all_runs(StoragePaths(tmp_path))]
    assert sum(len(row.tasks) for row in rows) == 1000
    assert "100/100 tasks" in runs_table(rows)
    assert time.process_time() - began < 2.0
