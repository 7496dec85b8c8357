"""``fetch``: bring what a run has made to this machine, or to another folder."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsg_cluster.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable

    from nsg_cluster.runs.fetch import Progress

__all__ = ["fetch"]

SECONDS_BETWEEN_LINES = 10.0


@click.command()
@options.run
@click.argument("dest", metavar="DEST", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--what",
    "parts",
    metavar="PART",
    multiple=True,
    help="results, logs or checkpoints; may be given again. Default: results and logs.",
)
@options.tasks
@options.home_site
@options.as_json
def fetch(
    *, run: str, dest: Path, parts: tuple[str, ...], tasks: tuple[int, ...], site: str | None, as_json: bool
) -> int:
    r"""Copy results and logs of a run, also from another machine.

    \b
      python launch.py fetch @last results/                # from the storage of this machine
      python launch.py fetch k3x9a2 results/ --site abci3  # by ssh, as the site's `remote` says
      python launch.py fetch abci:/groups/gaa/me/runs/lego/20261125T034500-k3x9a2 results/
      python launch.py fetch @last results/ --what checkpoints --task 3

    The run's folder appears in DEST. Repeating the command brings what is new; one that was cut off goes on where it
    stopped, also inside of a file. A run that is still running can be fetched as well: this is how its logs are read
    from afar. Needs rsync on both machines, and ssh to be set up for the other one.

    Exit status: 0 fetched, 2 no such run, or the connection broke, 130 interrupted.
    """
    from nsg_cluster.config.site import load_site
    from nsg_cluster.runs.fetch import PARTS, find_source
    from nsg_cluster.runs.fetch import fetch as fetch_run

    for part in parts:
        if part not in PARTS:
            from nsg_cluster.core.errors import did_you_mean

            raise click.BadParameter(f"'{part}' is not one of {', '.join(PARTS)}.{did_you_mean(part, PARTS)}")
    source = find_source(run, load_site(site))
    show = _shown()
    done = fetch_run(source, dest, parts=parts or PARTS[:2], tasks=tasks, show=show)
    if sys.stderr.isatty():
        click.echo("", err=True)
    numbers = {"files": done.num_files, "bytes": done.num_bytes, "transferred": done.num_transferred}
    if as_json:
        options.print_json({"id": source.run_id, "source": str(source), "folder": str(done.folder), **numbers})
        return 0
    from nsg_cluster.core.units import format_bytes

    click.echo(f"fetched {done.num_files} file(s), {format_bytes(done.num_bytes)}, of run {source.run_id}")
    click.echo(f"folder    {done.folder}")
    return 0


def _shown() -> Callable[[Progress], None]:
    """Return what shows progress: one line that changes on a terminal, elsewhere a line now and then."""
    spoke = [time.monotonic()]
    on_terminal = sys.stderr.isatty()

    def show(progress: Progress) -> None:
        from nsg_cluster.core.units import format_bytes

        text = f"{format_bytes(progress.num_bytes)} ({progress.percent}%)  {progress.rate}  {progress.left} left"
        if on_terminal:
            click.echo(f"\r{text}\033[K", nl=False, err=True)
        elif time.monotonic() - spoke[0] > SECONDS_BETWEEN_LINES:
            spoke[0] = time.monotonic()
            click.echo(text, err=True)

    return show
