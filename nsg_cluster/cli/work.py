"""``train``, ``evaluate``, ``render`` and ``export``: the work itself, in this process, without a scheduler."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsg_cluster.cli import options
from nsg_cluster.cli.submit import check_file
from nsg_cluster.core.paths import RunPaths

if TYPE_CHECKING:
    from nsg_cluster.core.paths import TaskPaths

__all__ = ["evaluate", "export", "render", "run_to_work_on", "train"]

INTERRUPTED = 130
what_argument = click.argument("what", metavar="FILE.yaml|RUN")


@click.command()
@what_argument
@options.overrides
@options.site
@options.as_json
def train(*, what: str, overrides: tuple[str, ...], site: str | None, as_json: bool) -> int:
    r"""Train, evaluate and render in this process: what a job does.

    \b
      python launch.py train configs/quickstart.yaml train.steps=200  # a new run
      python launch.py train @last                                    # go on where it stopped

    For debuggers, profilers and jobs that you submit by hand; the tasks of a sweep run one after another. Control-C
    ends it after a checkpoint, and so does resources.walltime: nothing continues it then but this command again.

    Exit status: 0 done, 1 a task failed, 2 a mistake in the file, the settings or the data, 130 interrupted.
    """
    from nsg_cluster.cli.ending import conclude, display
    from nsg_cluster.runs.control import requeue
    from nsg_cluster.runs.foreground import run_in_foreground

    if _is_file(what):
        from nsg_cluster.runs.submit import create, make_plan

        run = create(make_plan(what, overrides, site=site))
    elif overrides:
        raise click.UsageError("settings go with a FILE.yaml; those of a run are fixed, so that it can go on")
    else:
        run = _find(what, site)
        requeue(run)
    if not as_json:
        click.echo(f"run {_run_id(run)} in {run.root}")
    row, interrupted = run_in_foreground(run, display(silent=False, as_json=as_json))
    if interrupted:
        click.echo(f"continue with: python launch.py resubmit {options.word_for(run)}", err=True)
        return INTERRUPTED
    return conclude(row, silent=False, as_json=as_json)


@click.command()
@what_argument
@options.overrides
@options.home_site
@options.task
@options.as_json
def evaluate(*, what: str, overrides: tuple[str, ...], site: str | None, task: int | None, as_json: bool) -> int:
    r"""Compare the newest checkpoint with the held-out views.

    \b
      python launch.py evaluate @last
      python launch.py evaluate k3x9a2 evaluate.max_views=3
      python launch.py evaluate configs/lego.yaml  # the newest run of that experiment

    Writes metrics.json and the pictures of the views, and prints their names.

    Exit status: 0 done, 2 no such run or no checkpoint, 130 interrupted.
    """
    return _work("evaluate", what, overrides, site=site, task=task, as_json=as_json)


@click.command()
@what_argument
@options.overrides
@options.home_site
@options.task
@options.as_json
def render(*, what: str, overrides: tuple[str, ...], site: str | None, task: int | None, as_json: bool) -> int:
    r"""Render a camera path from the newest checkpoint.

    \b
      python launch.py render @last render.frames=120 render.size=800
      python launch.py render k3x9a2 render.path=test
      python launch.py render k3x9a2 render.frames=101 render.cameras=right render.out=DIR  # of a drive
      python launch.py render k3x9a2 'render.edits=[{remove: 4}, {move: {track: 3, by: [5, 0, 0]}}]'

    Writes videos into the task's renders folder or render.out, and prints their names.

    Exit status: 0 done, 2 no such run or no checkpoint, 130 interrupted.
    """
    return _work("render", what, overrides, site=site, task=task, as_json=as_json)


@click.command()
@what_argument
@options.overrides
@options.home_site
@options.task
@options.as_json
def export(*, what: str, overrides: tuple[str, ...], site: str | None, task: int | None, as_json: bool) -> int:
    r"""Make a colored mesh from the newest checkpoint.

    \b
      python launch.py export @last
      python launch.py export @last export.resolution=512 export.threshold=10 'export.formats=[ply,glb]'

    Writes into the task's exports folder, and prints the names of the files.

    Exit status: 0 done, 1 nothing is as dense as the threshold, 2 no such run or no checkpoint, 130 interrupted.
    """
    return _work("export", what, overrides, site=site, task=task, as_json=as_json)


def _work(stage: str, what: str, overrides: Sequence[str], *, site: str | None, task: int | None, as_json: bool) -> int:
    """Repeat a stage of the tasks of a run."""
    from nsg_cluster.core.logs import set_up
    from nsg_cluster.core.signals import StopSignal
    from nsg_cluster.runs.control import choose_tasks
    from nsg_cluster.runs.foreground import enter_site
    from nsg_cluster.runs.references import with_runs_found
    from nsg_cluster.tasks.stages import read_spec, run_stages

    run = run_to_work_on(what, overrides, site)
    enter_site(run)
    set_up(level=logging.WARNING if as_json else logging.INFO)
    done = []
    for index in choose_tasks(run, [] if task is None else [task]):
        paths, began = run.task(index), time.time()
        with StopSignal() as stop:
            experiment = with_runs_found(read_spec(paths, overrides), options.storage_of(site))
            status = run_stages(experiment, paths, stages=[stage], stop=stop, again=True)
        if status:
            click.echo("\ninterrupted", err=True)
            return INTERRUPTED
        renders = paths.renders if experiment.render.out is None else Path(experiment.render.out)
        done.append((index, _written(stage, paths, renders, began)))
    if as_json:
        tasks = [{"index": index, "files": [str(file) for file in files]} for index, files in done]
        options.print_json({"id": _run_id(run), "folder": str(run.root), "tasks": tasks})
    else:
        for _, files in done:
            click.echo("\n".join(str(file) for file in files))
    return 0


def _written(stage: str, paths: TaskPaths, renders: Path, began: float) -> list[Path]:
    """Return the files that a stage has written since then."""
    folder = {"evaluate": paths.evaluation, "render": renders, "export": paths.exports}[stage]
    files = [*([paths.metrics] if stage == "evaluate" else []), *sorted(folder.rglob("*"))]
    # File systems keep times in coarser steps than the clock.
    return [file for file in files if file.is_file() and file.stat().st_mtime > began - 1]


def run_to_work_on(what: str, overrides: Sequence[str], site: str | None) -> RunPaths:
    """Return a run; a file means the newest run of its experiment.

    Raises:
        RunError: There is no such run.
    """
    if not _is_file(what):
        return _find(what, site)
    from nsg_cluster.core.errors import RunError
    from nsg_cluster.runs.find import all_runs
    from nsg_cluster.runs.submit import make_plan

    plan = make_plan(what, overrides, site=site)
    found = [run for run in all_runs(plan.storage) if run.root.parent.name == plan.experiment.name]
    if not found:
        name = plan.experiment.name
        raise RunError(f"{plan.storage.runs}: holds no run of '{name}' yet; train it with: python launch.py {what}")
    return found[-1]


def _is_file(what: str) -> bool:
    """Return whether an argument means an experiment's file; one that is missing is refused here."""
    path = Path(what)
    if path.suffix in {".yaml", ".yml"}:
        check_file(path)
    return path.is_file()


def _find(what: str, site: str | None) -> RunPaths:
    from nsg_cluster.runs.find import find_run

    return find_run(what, options.storage_of(site))


def _run_id(run: RunPaths) -> str:
    from nsg_cluster.runs.find import run_id

    return run_id(run)
