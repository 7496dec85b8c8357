"""Run folders to rows, whatever they have left."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.core.errors import RunError
from nsg_cluster.report.collect import Row, collect, number, read_tasks


def test_a_run_that_succeeded_gives_its_numbers_and_no_note_but_on_what_is_absent(build_run: Any) -> None:
    run = build_run()
    (row,) = collect([run.root])
    assert row == Row(
        run="20261121-071012-ab12cd",
        name="toy",
        index=0,
        state="succeeded",
        differences={},
        psnr=30.0,
        ssim=0.9437,
        lpips=None,
        step=2000,
        steps=2000,
        train_s=90.0,
        train_cpu_s=176.5,
        machine="Example CPU · 2 threads",
        folder=run.task(0).root,
        notes=("no lpips: its weights are not installed",),
    )


def test_rows_of_several_runs_name_exactly_the_settings_that_differ(build_run: Any) -> None:
    first = build_run({"seed": 1}, {"seed": 2}, name="one")
    second = build_run({"seed": 1, "name": "other", "train": {"steps": 7}}, name="two")
    rows = collect([second.root, first.root])
    assert [(row.run, row.index) for row in rows] == [("two", 0), ("one", 0), ("one", 1)]
    assert [dict(row.differences) for row in rows] == [
        {"seed": 1, "train.steps": 7},
        {"seed": 1, "train.steps": 2000},
        {"seed": 2, "train.steps": 2000},
    ]


def test_tasks_that_render_models_alone_lack_neither_curves_nor_numbers_and_are_told_apart_by_name(
    build_run: Any,
) -> None:
    data = {"kind": "objects", "out": "/views/{model}"}
    models = [{"stages": ["prepare"], "data": {**data, "model": f"/{name}.obj", "name": name}} for name in "ab"]
    run = build_run(*models)
    for index in range(2):
        run.task(index).events.unlink()
        run.task(index).metrics.unlink()
    rows = collect([run.root])
    assert [row.notes for row in rows] == [(), ()]
    assert [dict(row.differences) for row in rows] == [{"data.name": "a"}, {"data.name": "b"}]


def test_tasks_are_ordered_by_number_and_other_folders_are_passed_over(build_run: Any) -> None:
    run = build_run(*({"seed": seed} for seed in range(11)))
    (run.tasks / "notes").mkdir()
    assert [row.index for row in collect([run.root])] == list(range(11))


def test_a_running_task_shows_how_far_it_is_and_that_it_has_fallen_silent(build_run: Any) -> None:
    run = build_run()
    task = run.task(0)
    task.metrics.unlink()
    task.status.write_text(json.dumps({"state": "running", "heartbeat": time.time() - 3600, "host": "n"}))
    task.progress.write_text(json.dumps({"stage": "train", "step": 1234, "steps": 2000}))
    task.events.write_text('{"step": 1200, "cpu_s": 10.5, "wall_s": 7.5, "loss": 1}\n{"step": 12')
    (row,) = collect([run.root])
    assert (row.state, row.step, row.psnr, row.train_s, row.train_cpu_s) == ("running", 1234, None, 7.5, 10.5)
    assert any("silent for 1h" in note for note in row.notes)
    assert "not evaluated yet" in row.notes


def test_the_steps_of_a_task_are_not_mixed_up_with_those_of_a_later_stage(build_run: Any) -> None:
    run = build_run()
    run.task(0).progress.write_text(json.dumps({"stage": "render", "step": 9999, "steps": 10000}))
    (row,) = collect([run.root])
    assert (row.step, row.steps) == (2000, 2000)


FILES = ("spec", "status", "progress", "events", "environment", "metrics")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1, 2]", b'"text"', b"\xff\xfe\x00", b'{"state": [], "mean": 3, "step": {}}']
)
def test_damaged_files_give_a_row_with_notes(build_run: Any, content: bytes) -> None:
    run = build_run()
    for name in FILES:
        getattr(run.task(0), name).write_bytes(content)
    run.record.write_bytes(content)
    (row,) = collect([run.root])
    assert (row.name, row.state, row.psnr, row.step) == ("toy", "unknown", None, None)
    assert any("spec.yaml" in note for note in row.notes)
    assert not any(str(run.root) in note or "\n" in note for note in row.notes)


@pytest.mark.parametrize("name", FILES)
def test_each_missing_file_costs_only_what_it_held(build_run: Any, name: str) -> None:
    run = build_run()
    whole = collect([run.root])[0]
    getattr(run.task(0), name).unlink(missing_ok=True)
    (row,) = collect([run.root])
    kept = {field for field in Row.__slots__ if getattr(row, field) == getattr(whole, field)}
    lost = {
        "spec": {"steps", "notes"},
        "status": {"state", "notes"},
        "progress": set(),
        "events": {"notes"},
        "environment": {"machine", "notes"},
        "metrics": {"psnr", "ssim", "train_s", "train_cpu_s", "notes"},
    }[name]
    assert set(Row.__slots__) - kept == lost


def test_tasks_that_have_not_begun_have_rows_that_say_so(build_run: Any) -> None:
    run = build_run()
    shutil.copy(run.task(0).spec, run.spec)
    run.record.write_text(json.dumps({"tasks": [{"name": "toy.seed=0"}, {"name": "toy.seed=1"}, {"index": 2}]}))
    rows = collect([run.root])
    assert [row.name for row in rows] == ["toy.seed=0", "toy.seed=1", "toy"]
    assert [row.state for row in rows] == ["succeeded", "queued", "queued"]
    shutil.rmtree(run.tasks)
    rows = collect([run.root])
    assert [row.steps for row in rows] == [2000] * 3
    assert {row.notes for row in rows} == {("the task has not begun", "not evaluated yet")}
    run.record.write_text("{}")
    assert len(collect([run.root])) == 1


def test_a_specification_of_another_version_still_gives_its_name_and_its_differences(build_run: Any) -> None:
    run = build_run({}, {"seed": 3})
    spec = run.task(1).spec
    spec.write_text(spec.read_text() + "flux_capacitor: 88\n")
    rows = collect([run.root])
    assert rows[1].differences == {"seed": 3, "flux_capacitor": 88}
    assert any("flux_capacitor" in note for note in rows[1].notes)


def test_events_of_steps_that_were_repeated_after_a_crash_are_replaced(build_run: Any) -> None:
    run = build_run()
    losses = [(50, 5), (100, 4), (150, 9), (100, 3), (100, 2), (150, 1)]
    lines: list[dict[str, Any]] = [{"step": step, "loss": loss} for step, loss in losses]
    lines += [{"step": None, "loss": 0}, {"step": 160, "notice": "hello"}]
    run.task(0).events.write_text("\n".join(map(json.dumps, lines)))
    (task,) = read_tasks([run.root])
    assert [event["loss"] for event in task.scalars] == [5, 4, 3, 2, 1]
    assert [notice["notice"] for notice in task.notices] == ["hello"]


def test_a_folder_that_is_missing_or_holds_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run folder"):
        collect([tmp_path / "nothing"])
    with pytest.raises(RunError, match=r"is not a run folder: it has none of record\.json, spec\.yaml and tasks"):
        collect([tmp_path])


def test_only_finite_numbers_are_numbers() -> None:
    assert [number(value) for value in (1, 2.5, True, "3", None, float("nan"), float("inf"))] == [1, 2.5, *[None] * 5]
