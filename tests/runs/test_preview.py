"""What a dry run says of a cluster: `nsg_cluster.runs.preview`, `nsg_cluster.runs.command`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nsg_cluster.cli import main
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.runs.find import all_runs
from nsg_cluster.runs.preview import Preview, preview
from nsg_cluster.runs.submit import make_plan
from tests.contract.runs import Bench, bench

__all__ = ["bench"]


@pytest.fixture(autouse=True)
def _group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_GROUP", "gaa50000")


def ahead(bench: Bench, site: str, *overrides: str, walltime: str = "2h") -> Preview:
    """Return what would be submitted."""
    plan = make_plan(bench.write(walltime=walltime), overrides, site=site)
    assert plan.placement
    return preview(plan, plan.placement)


def test_the_command_is_the_one_that_would_be_run(bench: Bench) -> None:
    found = ahead(bench, "abci2", "sweep={grid: {seed: [1, 2, 3]}}", "resources.max_parallel=2")
    assert found.command[:2] == ("qsub", "-terse")
    options = " ".join(found.command)
    assert "-g gaa50000" in options and "-t 1-3" in options and "-tc 2" in options
    assert "-g" not in found.script.splitlines()[0:8], "on the command line only"
    assert "#$ -l rt_G.small=1" in found.script.splitlines()


def test_limits_resources_cost_and_its_day_are_told(bench: Bench) -> None:
    lines = list(ahead(bench, "abci3", "sweep={grid: {seed: [1, 2, 3]}}").lines)
    assert lines[0] == "resources 1 x rt_HG (1 GPU, 16 cores, 160GB) for 2h; group gaa50000"
    assert "time limit at most 168h; 3 of at most 75000 elements" in lines[1]
    assert "gpu       compute capability 9.0" in lines
    assert "cost      at most 9 points (rates of 2025-03-31)" in lines
    assert "cost      not known: the site has no rates" in ahead(bench, "tsubame4").lines


def test_processes_of_one_training_get_a_gpu_each(bench: Bench) -> None:
    lines = list(ahead(bench, "abci3", "train.processes=4").lines)
    assert lines[0].startswith("resources 1 x rt_HF (8 GPUs,")
    assert "#SBATCH --gpus-per-node=4" in ahead(bench, "slurm", "train.processes=4").script.splitlines()
    assert "--gpus" not in ahead(bench, "slurm", "train.processes=4", "train.device=cpu").script


def test_what_does_not_fit_together_is_said(bench: Bench) -> None:
    checks = ahead(bench, "abci3", "train.device=cpu").checks
    assert [check.found for check in checks if not check.ok] == [
        "train.device is cpu, but 1 GPUs would be paid for: set resources.gpus=0"
    ]
    assert all(check.ok for check in ahead(bench, "abci3", "train.device=cpu", "resources.gpus=0").checks)
    assert not all(check.ok for check in ahead(bench, "slurm", "train.device=cuda").checks)


def test_what_a_scheduler_would_take_and_the_tasks_would_fail_at_is_also_said_at_submission(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    wrong = ("train.device=cuda", "resources.gpus=0", "data={kind: blender, root: /nowhere}")
    assert main(["submit", str(bench.write()), "--site", "abci3", *wrong]) == 2
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes[0] == "note: train.device is cuda, but no GPU is asked for: set resources.gpus"
    assert notes[1].startswith("note: data.root: there is no folder '/nowhere'")


@pytest.mark.parametrize(
    ("site", "override", "message"),
    [
        ("abci3", "resources.walltime=200h", "resources.walltime: 8d8h is more than 168h"),
        ("abci3", "resources={gpus: 8, resource_type: rt_HG}", "has nothing large enough for 8 GPUs"),
        ("abci3", "resources.resource_type=rt_F", "site abci3 has no rt_F"),
        ("abci3", "sweep={grid: {resources.gpus: [1, 8]}}", "the elements of an array need the same resources"),
        ("local", "resources.resource_type=rt_HG", "this machine sells no rt_HG"),
        ("local", "resources.cpus=10000", "resources.cpus: 10000 asked for"),
        ("local", "resources.memory=900TB", "resources.memory: 818.5 TiB asked for"),
    ],
)
def test_what_a_site_cannot_give_is_refused_before_anything_is_written(
    bench: Bench, site: str, override: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", str(bench.write()), override, "--site", site, "--detach"]) == 2
    assert message in capsys.readouterr().err
    assert not all_runs(bench.storage)


def test_grid_engine_without_a_consumable_for_memory_refuses_memory(bench: Bench) -> None:
    site = bench.root / "site.yaml"
    site.write_text("name: plain\nscheduler: gridengine\n")
    with pytest.raises(ConfigError, match="Grid Engine cannot be asked for memory_bytes"):
        ahead(bench, str(site), "resources.memory=1GiB")


def test_a_dry_run_writes_nothing_and_is_one_document_for_scripts(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(Path(bench.root).rglob("*"))
    argv = ["submit", str(bench.write()), "--site", "abci3", "--dry-run"]
    assert main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cost"] == {"amount": 1.5, "unit": "points", "date": "2025-03-31", "source": found["cost"]["source"]}
    assert found["script"].startswith("#!/bin/bash\n#PBS -N") and found["command"][0] == "qsub"
    assert {check["name"] for check in found["checks"]} >= {"resources", "limits", "program", "gpu"}
    assert main(argv) == 0
    assert "# command   qsub" in capsys.readouterr().out
    assert sorted(Path(bench.root).rglob("*")) == sorted({*before, bench.root / "tiny.yaml"})


@pytest.mark.parametrize(
    ("site", "array"), [("slurm", "--array=0-7"), ("abci2", "-t 1-8"), ("abci3", "-J 0-7"), ("tsubame4", "-t 1-8")]
)
def test_the_scenes_of_synthetic_nerf_are_one_array_on_every_site(bench: Bench, site: str, array: str) -> None:
    file = Path(__file__).resolve().parents[2] / "configs" / "sweeps" / "blender.yaml"
    plan = make_plan(file, (), site=site)
    assert plan.placement is not None
    names = [element.name for element in plan.elements]
    assert names[0] == "blender-root-chair" and len(set(names)) == 8
    assert array in " ".join(preview(plan, plan.placement).command)
    assert all_runs(bench.storage) == []
