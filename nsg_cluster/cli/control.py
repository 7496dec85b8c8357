"""``cancel``, ``resubmit`` and ``clean``: act on runs that exist."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from nsg_cluster.cli import options
from nsg_cluster.cli.submit import follow_option, wait_option

if TYPE_CHECKING:
    from nsg_cluster.core.paths import RunPaths, StoragePaths
    from nsg_cluster.runs.status import RunRow

__all__ = ["cancel", "clean", "resubmit"]


@click.command()
@options.runs
@options.tasks
@options.home_site
def cancel(*, runs: tuple[str, ...], tasks: tuple[int, ...], site: str | None) -> int:
    r"""Stop runs, after a checkpoint; what waits is never started.

    \b
      python launch.py cancel @last
      python launch.py cancel k3x9a2 --task 3  # one task of a sweep

    Cancelling twice does nothing more. Continue later with resubmit.

    Exit status: 0 nothing runs any more, 1 something is still writing its checkpoint, 2 no such run.
    """
    from nsg_cluster.runs.control import cancel as cancel_run
    from nsg_cluster.runs.find import find_runs

    found = find_runs(runs, options.storage_of(site))
    rows = [cancel_run(run, tasks) for run in found]
    stopped = True
    for row in rows:
        wanted = [row.tasks[index] for index in tasks] or list(row.tasks)
        busy = [task for task in wanted if not task.status.is_final]
        stopped = stopped and not busy
        counts = (
            "still writing a checkpoint" if busy else _counted(wanted_states=[task.status.state for task in wanted])
        )
        click.echo(f"{row.id} {row.name}: {counts}")
    return 0 if stopped else 1


def _counted(*, wanted_states: list[str]) -> str:
    if len(wanted_states) == 1:
        return wanted_states[0]
    return ", ".join(f"{wanted_states.count(state)} {state}" for state in dict.fromkeys(wanted_states))


@click.command()
@options.runs
@options.home_site
@follow_option
@wait_option
@options.as_json
def resubmit(*, runs: tuple[str, ...], site: str | None, follow: bool, wait: bool, as_json: bool) -> int:
    r"""Run again what has not succeeded, from its newest checkpoint.

    \b
      python launch.py resubmit @last
      python launch.py resubmit k3x9a2 --detach
      python launch.py resubmit k3x9a2 m4p2zz  # several are started and not waited for

    In the same folder; tasks that have succeeded are left alone. A run that is still running is refused, and so is one
    of whose jobs the scheduler does not tell anything: nothing runs twice.

    Exit status: as submit; 0 where nothing is left to do.
    """
    from nsg_cluster.cli.ending import attend
    from nsg_cluster.runs import control
    from nsg_cluster.runs.find import find_runs, run_id
    from nsg_cluster.runs.status import read_run

    found = find_runs(runs, options.storage_of(site))
    again = {run: len(control.resubmit(run)) for run in found}
    if len(found) == 1 and again[found[0]]:
        return attend(found[0], follow=follow, wait=wait, as_json=as_json)
    if as_json:
        rows = [read_run(run).to_json() for run in found]
        options.print_json(rows[0] if len(rows) == 1 else {"runs": rows})
        return 0
    for run, count in again.items():
        done = f"nothing to do: every task of {run_id(run)} has succeeded"
        click.echo(f"{run_id(run)}: {count} task{'' if count == 1 else 's'} started again" if count else done)
    return 0


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--failed", is_flag=True, help="Every run that has ended without success.")
@click.option("--older-than", metavar="AGE", help="Every run that is older, such as 30d or 12h.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.home_site
def clean(*, runs: tuple[str, ...], failed: bool, older_than: str | None, yes: bool, site: str | None) -> int:
    r"""Remove run folders with everything in them.

    \b
      python launch.py clean k3x9a2
      python launch.py clean --failed --older-than 30d  # both must hold

    Lists what it would remove and asks. A run that is running is never removed, nor anything outside of the storage.
    Hidden folders that a launcher left when it was killed while it made or removed a run go as well.

    Exit status: 0 removed (or nothing to remove), 2 a mistake or a refusal, 130 the answer was no.
    """
    if not runs and not failed and not older_than:
        raise click.UsageError("name runs, or choose them with --failed or --older-than")
    from nsg_cluster.runs.clean import check_removable, remove, remove_leftovers

    storage = options.storage_of(site)
    chosen = _chosen(runs, storage, failed=failed, older_than=older_than)
    for run, row in chosen:
        check_removable(run, row, storage)
        click.echo(f"{row.id}  {row.state:<9}  {row.folder}")
    if chosen and not yes:
        _confirm(len(chosen))
    for run, row in chosen:
        remove(run, row)
    click.echo(f"removed {len(chosen)} run(s)" if chosen else "nothing to remove")
    if count := remove_leftovers(storage):
        click.echo(f"removed {count} unfinished folder(s) of launchers that were killed")
    return 0


def _chosen(
    runs: tuple[str, ...], storage: StoragePaths, *, failed: bool, older_than: str | None
) -> list[tuple[RunPaths, RunRow]]:
    """Return the runs that are named, or all, as far as every condition holds; conditions pass over running ones."""
    from nsg_cluster.core.units import parse_duration
    from nsg_cluster.runs.find import find_runs
    from nsg_cluster.runs.status import read_run

    age_s = parse_duration(older_than) if older_than else 0
    found = [(run, read_run(run)) for run in find_runs(runs, storage)]
    if failed:
        found = [(run, row) for run, row in found if row.is_final and row.state != "succeeded"]
    if older_than:
        found = [(run, row) for run, row in found if row.is_final and time.time() - row.created > age_s]
    return found


def _confirm(count: int) -> None:
    """Ask.

    Raises:
        click.UsageError: Nobody is there to answer.
        click.Abort: The answer is no.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("nothing was removed: there is no terminal to ask at; say --yes")
    click.confirm(f"remove {count} run(s)?", abort=True)
