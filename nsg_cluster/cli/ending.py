"""Staying with a run until it has ended, and saying what came of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsg_cluster.cli import options
from nsg_cluster.core.logs import printable
from nsg_cluster.core.paths import RunPaths, TaskPaths

if TYPE_CHECKING:
    from nsg_cluster.runs.follow import Display
    from nsg_cluster.runs.status import RunRow, TaskRow

__all__ = ["attend", "conclude", "display"]

INTERRUPTED = 130
CANCEL_WAIT_S = 120.0
LAST_LINES = 5
SHOWN_TASKS = 20
VIDEOS = (".mp4", ".gif")


def attend(run: RunPaths, *, follow: bool, wait: bool, as_json: bool) -> int:
    """Follow a run, wait for it, or leave it alone; return the exit status.

    Args:
        run: A run that was just started.
        follow: Show its progress.
        wait: Wait in silence; goes before ``follow``.
        as_json: Print one JSON document at the end; progress goes to standard error.
    """
    if not follow and not wait:
        from nsg_cluster.runs.find import run_id
        from nsg_cluster.runs.status import read_run

        options.print_json(read_run(run).to_json()) if as_json else click.echo(run_id(run))
        return 0
    try:
        row = _follow(run, silent=wait, as_json=as_json)
    except KeyboardInterrupt:  # the run has begun: from here on, loading modules included, it is ended with us
        return _interrupt(run)
    return conclude(row, silent=wait, as_json=as_json)


def _follow(run: RunPaths, *, silent: bool, as_json: bool) -> RunRow:
    from nsg_cluster.runs.find import run_id
    from nsg_cluster.runs.follow import follow

    if not silent and not as_json:
        click.echo(f"run {run_id(run)} in {run.root}")
    return follow(run, display(silent=silent, as_json=as_json))


def display(*, silent: bool, as_json: bool) -> Display:
    """Return what shows a run."""
    from nsg_cluster.runs.follow import Silence, display_for

    return Silence() if silent else display_for(sys.stderr if as_json else sys.stdout)


def _interrupt(run: RunPaths) -> int:
    """Cancel a run at Control-C; a second one does not wait for its end."""
    from nsg_cluster.runs.control import cancel

    click.echo("\nstopping after a checkpoint …", err=True)
    with contextlib.suppress(KeyboardInterrupt):
        row = cancel(run, wait_s=CANCEL_WAIT_S)
        if not row.is_final:
            click.echo("some tasks are still writing their checkpoints", err=True)
    click.echo(f"continue with: python launch.py resubmit {options.word_for(run)}", err=True)
    return INTERRUPTED


def conclude(row: RunRow, *, silent: bool, as_json: bool) -> int:
    """Write the report of a run that has ended, say where everything is, and return the exit status."""
    report = None
    if not silent:
        report = _write_report(row)
    if as_json:
        options.print_json({**row.to_json(), "report": str(report) if report else None})
    elif not silent:
        _print_places(row, report)
        _print_metrics(row)
    _print_failures(row)
    return row.exit_status


def _write_report(row: RunRow) -> Path | None:
    """Write the page; what it lacks is said, because the run itself has ended all the same."""
    from nsg_cluster.core.errors import MachineError, RunError

    try:
        from nsg_cluster.report.page import write_report

        return write_report([row.folder])
    except (MachineError, RunError, ImportError) as error:
        click.echo(f"no report: {error}", err=True)
        return None


def _print_places(row: RunRow, report: Path | None) -> None:
    for name, path in _places(row, report):
        click.echo(f"{name:<9} {path}")


def _places(row: RunRow, report: Path | None) -> Iterator[tuple[str, Path]]:
    if report:
        yield "report", report
    # Of a sweep the first task stands for all; the report has every one.
    paths = TaskPaths(row.tasks[0].folder)
    if paths.evaluation.is_dir():
        yield "pictures", paths.evaluation
    videos = [path for path in sorted(paths.renders.glob("*")) if path.suffix in VIDEOS]
    if videos:
        yield "video", next((path for path in videos if path.suffix == ".mp4"), videos[0])
    if paths.metrics.exists():
        yield "metrics", paths.metrics
    yield "folder", row.folder


def _print_metrics(row: RunRow) -> None:
    scored = [task for task in row.tasks if task.psnr is not None]
    if not scored:
        return
    width = max(len(task.name) for task in scored)
    click.echo(f"\n{'':<{width}}  {'PSNR':>6}  {'SSIM':>6}")
    for task in scored[:SHOWN_TASKS]:
        ssim = "" if task.ssim is None else f"{task.ssim:.4f}"
        click.echo(f"{task.name:<{width}}  {task.psnr:6.2f}  {ssim:>6}")
    if len(scored) > SHOWN_TASKS:
        click.echo(
            f"and {len(scored) - SHOWN_TASKS} more; all of them: "
            f"python launch.py report {options.word_for(RunPaths(row.folder))} --format markdown"
        )


def _print_failures(row: RunRow) -> None:
    bad = [task for task in row.tasks if task.status.state != "succeeded"]
    for task in bad[:SHOWN_TASKS]:
        _print_failure(task)
    if len(bad) > SHOWN_TASKS:
        click.echo(f"and {len(bad) - SHOWN_TASKS} more", err=True)
    if bad:
        word = options.word_for(RunPaths(row.folder))
        click.echo(f"run again what has not succeeded: python launch.py resubmit {word}", err=True)


def _print_failure(task: TaskRow) -> None:
    """Print why a task did not succeed: its one sentence, or the end of its log."""
    from nsg_cluster.runs.logs import error_log, last_lines

    status = task.status
    click.echo(f"task {task.index} ({task.name}) {status.state}: {printable(status.reason)}", err=True)
    if status.state not in {"failed", "lost"} or status.exit_status == 2:
        return
    log = error_log(RunPaths(task.folder.parents[1]), task.index, status.job_id)
    lines = last_lines(log, LAST_LINES)
    for line in lines if lines[-1:] != [f"error: {status.reason}"] else []:
        click.echo(f"  {printable(line)}", err=True)
    if log.exists():
        click.echo(f"  log: {log}", err=True)
