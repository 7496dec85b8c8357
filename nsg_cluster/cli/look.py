"""``status``, ``logs``, ``report`` and ``doctor``: look, change nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsg_cluster.cli import options

if TYPE_CHECKING:
    from nsg_cluster.core.paths import RunPaths
    from nsg_cluster.runs.status import RunReader, RunRow

__all__ = ["doctor", "logs", "report", "status"]

WATCH_S = 2.0
# To the upper left corner, then clear what is below.
HOME = "\033[H\033[J"


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--watch", is_flag=True, help="Show it again every two seconds until everything has ended.")
@options.home_site
@options.as_json
def status(*, runs: tuple[str, ...], watch: bool, site: str | None, as_json: bool) -> int:
    r"""Show what became of runs: of all, or of those that are named.

    \b
      python launch.py status
      python launch.py status @last --watch
      python launch.py status --site abci3   # runs in the storage of another site than yours
      python launch.py status k3x9a2 --json  # folder, state, steps, psnr, ssim of each task

    A run of several tasks that is named alone is shown task by task. States: queued, running, succeeded, failed,
    cancelled, timeout (its time limit was too short), lost (it was killed and could not say so). On a cluster also:
    submitted (not confirmed yet), held, blocked (will never start), starting, suspended, completing, requeued, oom,
    preempted, node_fail, unknown. PSNR and SSIM are those of the held-out views.

    Exit status: 0 shown, 2 no such run.
    """
    if watch and as_json:
        raise click.UsageError("--json prints one document; it does not go with --watch")
    from nsg_cluster.core.logs import printable
    from nsg_cluster.runs.find import find_runs
    from nsg_cluster.runs.status import read_rows

    storage = options.storage_of(site)
    readers = _readers(find_runs(runs, storage))
    while True:
        rows = read_rows(readers)
        for complaint in dict.fromkeys(row.complaint for row in rows if row.complaint):
            click.echo(f"not everything is known: {printable(complaint)}", err=True)
        if as_json:
            options.print_json({"runs": [row.to_json() for row in rows]})
            return 0
        from nsg_cluster.runs.table import runs_table, tasks_table

        one = rows[0] if len(runs) == 1 else None
        text = tasks_table(one) if one and len(one.tasks) > 1 else runs_table(rows)
        click.echo(f"{HOME if watch and sys.stdout.isatty() else ''}{text}")
        if not rows:
            click.echo(f"no run in {storage.runs} yet; start one with: python launch.py FILE.yaml", err=True)
        if not watch or all(row.is_final for row in rows):
            return 0
        time.sleep(WATCH_S)


def _readers(runs: Sequence[RunPaths]) -> list[RunReader]:
    """Return a reader for each run; of several, a damaged one is passed over with a word."""
    from nsg_cluster.core.errors import RunError
    from nsg_cluster.runs.status import RunReader

    readers = []
    for run in runs:
        try:
            readers.append(RunReader(run))
        except RunError as error:
            if len(runs) == 1:
                raise
            click.echo(f"passed over: {error}", err=True)
    return readers


@click.command()
@options.run
@options.task
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run has ended.")
@click.option("--stderr", is_flag=True, help="What was written to standard error instead of standard output.")
@options.home_site
def logs(*, run: str, task: int | None, follow: bool, stderr: bool, site: str | None) -> int:
    r"""Print what the tasks of a run have said, over all attempts.

    \b
      python launch.py logs @last -f
      python launch.py logs k3x9a2 --task 3 --stderr

    Exit status: 0 printed, 2 no such run or task.
    """
    from nsg_cluster.runs.control import choose_tasks
    from nsg_cluster.runs.find import find_run
    from nsg_cluster.runs.logs import error_log, follow_logs, read_logs
    from nsg_cluster.runs.status import RunReader

    found = find_run(run, options.storage_of(site))
    chosen = choose_tasks(found, [] if task is None else [task])
    reader = RunReader(found)
    tasks = reader.read().tasks if stderr else ()
    files = [
        (f"task {index}", error_log(found, index, tasks[index].status.job_id) if stderr else found.task(index).log_out)
        for index in chosen
    ]
    if follow:
        follow_logs(files, _write, is_over=lambda: _have_ended(reader.read(), chosen))
    else:
        read_logs(files, _write)
    if not stderr:
        _tell_failures(found, reader.read(), chosen)
    return 0


def _tell_failures(run: RunPaths, row: RunRow, tasks: Sequence[int]) -> None:
    """Say on standard error which tasks have failed: why stands in their other log."""
    from nsg_cluster.core.logs import printable

    for task in (row.tasks[index] for index in tasks):
        if task.status.state in {"failed", "lost"}:
            click.echo(f"task {task.index} {task.status.state}: {printable(task.status.reason)}", err=True)
            which = f" --task {task.index}" if len(row.tasks) > 1 else ""
            click.echo(f"  its standard error: python launch.py logs {options.word_for(run)}{which} --stderr", err=True)


def _have_ended(row: RunRow, tasks: Sequence[int]) -> bool:
    return all(row.tasks[index].status.is_final for index in tasks)


def _write(block: bytes) -> None:
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to write instead.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "markdown", "csv"]),
    default="html",
    show_default=True,
    help="A page with curves, pictures and videos; or a table with a row for each task.",
)
@options.home_site
def report(*, runs: tuple[str, ...], out: Path | None, form: str, site: str | None) -> int:
    r"""Write one page about runs, or print a table of them.

    \b
      python launch.py report @last                # report.html in the run's folder
      python launch.py report k3x9a2 m4p2zz --out both.html
      python launch.py report --format csv k3x9a2  # a table on standard output

    Without a name it is about the newest run.

    Exit status: 0 written, 2 no such run, or a package is missing.
    """
    from nsg_cluster.report.collect import collect
    from nsg_cluster.report.page import write_report
    from nsg_cluster.report.tables import csv, markdown
    from nsg_cluster.runs.find import LAST, find_runs

    folders = [run.root for run in find_runs(runs or (LAST,), options.storage_of(site))]
    if form == "html":
        click.echo(write_report(folders, out))
        return 0
    text = (markdown if form == "markdown" else csv)(collect(folders))
    if out:
        from nsg_cluster.core.files import write_atomic

        write_atomic(out, text)
        click.echo(out)
    else:
        click.echo(text, nl=not text.endswith("\n"))
    return 0


@click.command()
@options.site
@options.as_json
def doctor(*, site: str | None, as_json: bool) -> int:
    r"""Say what works here, what is missing, and how to get it.

    \b
      python launch.py doctor
      python launch.py doctor --json

    Exit status: 0 everything that the default needs works, 1 something of that is broken, 2 the site file has mistakes.
    """
    from nsg_cluster.runs.doctor import examine

    findings = examine(site)
    if as_json:
        options.print_json(
            {"ok": not any(item.is_fatal for item in findings), "checks": [item.to_json() for item in findings]}
        )
    else:
        options.print_findings(findings)
    return 1 if any(item.is_fatal for item in findings) else 0
