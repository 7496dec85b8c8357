"""``submit`` and ``script``: from a file to a run, or to the text of its batch script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsg_cluster.cli import options

if TYPE_CHECKING:
    from nsg_cluster.core.paths import RunPaths, StoragePaths
    from nsg_cluster.runs.submit import Plan

__all__ = ["check_file", "follow_option", "script", "submit", "wait_option"]

file_argument = click.argument("file", metavar="FILE.yaml", type=click.Path(path_type=Path))
max_parallel_option = click.option(
    "--max-parallel",
    metavar="N",
    type=click.IntRange(min=1),
    help="Tasks of a sweep that run at the same time. Default: resources.max_parallel.",
)
after_option = click.option(
    "--after",
    metavar="RUN",
    multiple=True,
    help="Begin when this run has succeeded; may be repeated. Without the stage train its weights are used.",
)
follow_option = click.option(
    "--follow/--detach",
    default=True,
    help="Show progress until the run has ended (default), or return at once with its id; it goes on either way.",
)
wait_option = click.option("--wait", is_flag=True, help="Say nothing until the run has ended.")


@click.command()
@file_argument
@options.overrides
@options.site
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would be done: experiments, script, command, checks, cost. Nothing is written or started.",
)
@follow_option
@wait_option
@max_parallel_option
@after_option
@options.as_json
def submit(
    *,
    file: Path,
    overrides: tuple[str, ...],
    site: str | None,
    dry_run: bool,
    follow: bool,
    wait: bool,
    max_parallel: int | None,
    after: tuple[str, ...],
    as_json: bool,
) -> int:
    r"""Start an experiment: train, evaluate, render.

    \b
      python launch.py configs/quickstart.yaml                           # the word submit may be left out
      python launch.py submit configs/lego.yaml data.root=~/lego train.steps=5000
      python launch.py configs/sweeps/quickstart_learning_rate.yaml --max-parallel 2 --detach
      python launch.py configs/lego.yaml --site abci3 --dry-run          # script, command, limits and cost on a cluster
      python launch.py configs/lego.yaml --after k3x9a2 'stages=[render]'  # renders that run when it has succeeded

    A sweep becomes one run of many tasks. Settings after the file replace those in it. The run goes on when the
    terminal is closed; Control-C while following ends it, after a checkpoint. Continue it later with resubmit.

    Exit status: 0 all tasks succeeded (with --detach: started), 1 a task failed, 2 a mistake in the file, the settings
    or the data, 130 interrupted.
    """
    from nsg_cluster.runs import submit as runs_submit

    check_file(file)
    plan = runs_submit.make_plan(
        file, overrides, site=site, max_parallel=max_parallel, after=_named(after, options.storage_of(site))
    )
    if dry_run:
        _print_plan(plan, as_json=as_json)
        return 0
    for note in _notes(plan):
        click.echo(f"note: {note}", err=True)
    from nsg_cluster.cli.ending import attend

    return attend(runs_submit.submit(plan), follow=follow, wait=wait, as_json=as_json)


def _notes(plan: Plan) -> Iterator[str]:
    """Yield what the user should know, though it forbids nothing."""
    yield from plan.image.notes if plan.image else ()
    if plan.placement:
        from nsg_cluster.runs.preview import doubts

        yield from doubts(plan, plan.placement)


def _named(words: tuple[str, ...], storage: StoragePaths) -> list[RunPaths]:
    """Return the runs that are named."""
    from nsg_cluster.runs.find import find_runs

    return find_runs(words, storage) if words else []


def check_file(file: Path) -> None:
    """Refuse a file that is not there; it may be a misspelled verb.

    Raises:
        ConfigError: There is no such file.
    """
    if file.exists():
        return
    from nsg_cluster.core.errors import ConfigError, did_you_mean
    from nsg_cluster.core.logs import printable

    context = click.get_current_context().parent
    verbs = context.command.list_commands(context) if context and isinstance(context.command, click.Group) else []
    near = did_you_mean(file.name, verbs) if len(file.parts) == 1 else ""
    beside = [entry.name for entry in file.parent.glob("*.y*ml")] if file.parent.is_dir() else []
    raise ConfigError(f"no such file: '{printable(str(file))}'.{near or did_you_mean(file.name, beside)}")


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    from nsg_cluster.config.compose import dump
    from nsg_cluster.config.memory import estimate_memory
    from nsg_cluster.config.sweep import spec_hash
    from nsg_cluster.runs.preview import checks_of_data, preview

    folder = plan.storage.runs / plan.experiment.name
    hashes = [spec_hash(element) for element in plan.elements]
    ahead = preview(plan, plan.placement) if plan.placement else None
    if as_json:
        experiments = [element.model_dump(mode="json", by_alias=True) for element in plan.elements]
        memory = [estimate_memory(element).total for element in plan.elements]
        entries = [
            {"index": index, "hash": digest, "memory_bytes": size, "experiment": experiment}
            for index, (digest, size, experiment) in enumerate(zip(hashes, memory, experiments, strict=True))
        ]
        options.print_json(
            {
                "name": plan.experiment.name,
                "site": plan.site.name,
                "folder": str(folder),
                "max_parallel": plan.request.max_parallel,
                "container": plan.image.to_json() if plan.image else None,
                "tasks": entries,
                **(ahead.to_json() if ahead else {}),
            }
        )
        return
    parallel = plan.request.max_parallel or (1 if ahead is None else None)
    limit = f", at most {parallel} at a time" if parallel else ""
    click.echo(f"# {len(plan.elements)} task(s) on site {plan.site.name} ({plan.site.scheduler}){limit}")
    click.echo(f"# run folder: {folder}/<time>-<id>")
    checks = ahead.lines if ahead else map(str, checks_of_data(plan))
    for line in (*(plan.image.lines() if plan.image else ()), *checks):
        click.echo(f"# {line}")
    if ahead:
        click.echo(f"---\n# script\n{ahead.script}", nl=False)
    for index, (element, digest) in enumerate(zip(plan.elements, hashes, strict=True)):
        click.echo(f"---\n# task {index}: {element.name} ({digest})")
        click.echo(f"# memory: {estimate_memory(element).sentence()}\n{dump(element)}", nl=False)


@click.command()
@file_argument
@options.overrides
@options.site
@max_parallel_option
def script(*, file: Path, overrides: tuple[str, ...], site: str | None, max_parallel: int | None) -> int:
    r"""Print the batch script of an experiment.

    \b
      python launch.py script configs/quickstart.yaml train.steps=500 > quickstart.sh
      bash quickstart.sh

    The experiment is checked first. Each time the script runs it starts a new run and waits for its end.

    Exit status: 0 printed, 2 a mistake in the file or the settings. The script has that of submit --wait.
    """
    import sys

    from nsg_cluster.runs.script import batch_script
    from nsg_cluster.runs.submit import make_plan

    check_file(file)
    plan = make_plan(file, overrides, site=site, max_parallel=max_parallel)
    command = [sys.executable, "-m", "nsg_cluster", "submit", str(file.absolute()), *overrides, "--wait"]
    command += ["--site", plan.site_reference]
    command += ["--max-parallel", str(plan.request.max_parallel)] if plan.request.max_parallel else []
    environment = {**plan.site.environment, "NSG_STORAGE": plan.site.storage}
    title = f"Experiment {plan.experiment.name}"
    click.echo(batch_script(command, title=title, environment=environment, folder=Path.cwd()), nl=False)
    return 0
