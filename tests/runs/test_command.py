"""The program of a task: `nsg_cluster.runs.command`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nsg_cluster.container.command import Container
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.runs.command import keep_source, stage_command, write_container
from nsg_cluster.runs.submit import make_plan, orders_of
from nsg_cluster.tasks.orders import HERE, in_job
from tests.contract.runs import Bench, bench

__all__ = ["bench"]


def test_without_a_container_this_very_python_computes(bench: Bench) -> None:
    plan = make_plan(bench.write(), ["resources={continuations: 4}"])
    run = RunPaths(bench.root / "run")
    assert stage_command(run, None) == HERE
    orders = orders_of(plan, run)
    assert (orders.command, orders.after, orders.continuations) == (HERE, (), 4)


def test_in_a_container_the_package_that_the_run_has_kept_is_entered_and_computes(tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "cost$s/run")
    container = Container(image="/images/a.sif", python="python3.12")
    assert in_job(stage_command(run, container), os.environ) == [
        *("/usr/bin/env", f"PYTHONPATH={run.source}", sys.executable, "-m", "nsg_cluster.container"),
        *(str(run.container), "python3.12", "-m", "nsg_cluster.tasks"),
    ]
    draft = RunPaths(tmp_path / "draft")
    draft.root.mkdir()
    write_container(draft, run, container)
    assert Container.from_json(read_json(draft.container)).source == str(run.source)


def test_the_package_that_a_run_keeps_is_whole_and_holds_no_compiled_files(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    keep_source(run)
    here = Path(__file__).resolve().parents[2] / "nsg_cluster"
    kept = {path.relative_to(run.source) for path in run.source.rglob("*") if path.is_file()}
    package = {path.relative_to(here.parent) for path in here.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert kept == package | {run.checkout.relative_to(run.source)}
    assert run.checkout.read_bytes() == os.fsencode(here.parent), "what is found by it lies beside the package"
