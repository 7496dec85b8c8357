"""Making a run: its folder, its record, its script: `nsg_cluster.runs.submit` and others."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from nsg_cluster import __version__
from nsg_cluster.config.compose import load
from nsg_cluster.core.errors import DataError, MachineError, RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.runs import record as records
from nsg_cluster.runs import submit as submitting
from nsg_cluster.runs.find import all_runs
from nsg_cluster.runs.record import new_id, read_record, sources
from nsg_cluster.runs.script import batch_script
from nsg_cluster.runs.status import read_run
from nsg_cluster.runs.submit import create, make_plan, submit
from tests.contract.runs import Bench, bench

__all__ = ["bench"]


def test_the_folder_holds_everything_that_is_needed_to_run_it_again(bench: Bench) -> None:
    plan = make_plan(bench.write(walltime="90m"), ["sweep={grid: {seed: [4, 5]}}", "train.steps=3"], max_parallel=2)
    run = create(plan)
    assert load(run.spec, variables={}) == plan.experiment
    assert tuple(load(run.task(index).spec, variables={}) for index in (0, 1)) == plan.elements
    record = read_record(run)
    assert run.root.name.endswith(f"-{record.id}") and re.fullmatch(r"[a-z][a-z2-9]{5}", record.id)
    assert (record.name, record.site, record.version, record.host) == (
        "tiny",
        "local",
        __version__,
        os.uname().nodename,
    )
    assert record.cwd == str(Path.cwd()) and record.argv and record.user
    assert record.request.max_parallel == 2 and [task.walltime_s for task in record.request.tasks] == [5400, 5400]
    assert [task.name for task in record.tasks] == [element.name for element in plan.elements]
    assert len({task.hash for task in record.tasks}) == 2
    assert [task["index"] for task in read_json(run.record)["tasks"]] == [0, 1]
    assert [task.status.state for task in read_run(run).tasks] == ["queued", "queued"]


def test_ids_and_tokens_are_not_given_twice(bench: Bench) -> None:
    assert len({new_id() for _ in range(1000)}) == 1000
    plan = make_plan(bench.write())
    first, second = (read_record(create(plan)) for _ in range(2))
    assert first.token != second.token and first.tasks == second.tasks


def test_nothing_half_written_is_ever_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(bench.write(), ["sweep={grid: {seed: [1, 2, 3]}}"])
    seen: list[object] = []
    monkeypatch.setattr(submitting, "put_in_charge", lambda *_: seen.append(all_runs(bench.storage)))
    create(plan)
    assert seen == [[]] and len(all_runs(bench.storage)) == 1

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(submitting, "put_in_charge", full)
    with pytest.raises(RunError, match=r"a run cannot be written there: No space left on device; choose another"):
        create(plan)
    assert len(list((bench.storage.runs / "tiny").iterdir())) == 1
    with pytest.raises(RunError):
        create(make_plan(bench.write(), ["name=other"]))
    assert [path.name for path in bench.storage.runs.iterdir()] == ["tiny"]


def test_the_record_tells_the_sources_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    package = tmp_path / "nsg_cluster"
    (package / "runs").mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    monkeypatch.setattr(records, "__file__", str(package / "runs" / "record.py"))
    git("init", "-q")
    assert sources().commit is None, "the checkout around it is somebody else's"
    git("add", ".")
    git("commit", "-q", "-m", "first")
    found = sources()
    assert re.fullmatch("[0-9a-f]{40}", found.commit or "") and not found.dirty and found.difference == ""
    (package / "__init__.py").write_text("x = 2\n")
    assert sources().dirty and "+x = 2" in sources().difference
    monkeypatch.setenv("PATH", "/nowhere")
    assert sources().commit is None


def test_the_difference_is_kept_beside_the_record(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "sources", lambda: records.Sources(commit="0" * 40, dirty=True, difference="+x"))
    run = create(make_plan(bench.write()))
    assert run.difference.read_text() == "+x" and read_record(run).git_dirty


def test_a_script_passes_everything_through_bash_unharmed(tmp_path: Path) -> None:
    nasty = 'it\'s "$HOME" `id`\n; #'
    folder = tmp_path / nasty
    folder.mkdir()
    text = batch_script(["printf", "%s|", nasty, "$X"], title="a\nb", environment={"X": nasty}, folder=folder)
    script = tmp_path / "script.sh"
    script.write_text(text.replace("exec ", 'printf "%s|" "$X" "$PWD"; exec '))
    out = subprocess.run(["bash", script], check=True, capture_output=True, text=True).stdout
    assert out == f"{nasty}|{folder}|{nasty}|$X|"


def test_the_script_of_a_run_is_for_its_owner_alone_and_holds_the_sites_variables(bench: Bench) -> None:
    site = bench.root / "here.yaml"
    site.write_text(f"name: here\nstorage: {bench.root}\nenvironment: {{TOKEN: a b}}\n")
    run = create(make_plan(bench.write(), site=str(site)))
    assert stat.S_IMODE(run.script.stat().st_mode) == 0o700
    assert "export TOKEN='a b'\n" in run.script.read_text()
    assert read_record(run).site == str(site), "found again from anywhere"
    assert "TOKEN" not in run.record.read_text()


def test_missing_data_are_told_before_a_run_is_made_unless_another_run_brings_them(bench: Bench) -> None:
    missing = ("data={kind: blender, root: /nowhere}",)
    with pytest.raises(DataError, match=r"data\.root: there is no folder '/nowhere': .*data check FILE\.yaml"):
        submit(make_plan(bench.write(), missing))
    assert not all_runs(bench.storage)
    first = bench.submit(steps=1)
    second = submit(make_plan(bench.write(), missing, after=[first]))
    assert bench.wait(first).is_final and bench.wait(second).is_final


@pytest.mark.parametrize(("site", "program"), [("abci2", "qsub"), ("abci3", "qsub"), ("slurm", "sbatch")])
def test_where_the_submit_command_is_missing_nothing_is_left_behind(
    site: str, program: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSG_GROUP", "gaa50000")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MachineError, match=f"no program '{program}' on PATH"):
        submit(make_plan(bench.write(), site=site))
    assert not all_runs(bench.storage)
