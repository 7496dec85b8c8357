"""``view``: a trained scene in the browser."""

from __future__ import annotations

import logging
import socket

import click

from nsg_cluster.cli import options
from nsg_cluster.cli.work import run_to_work_on

__all__ = ["view"]

THIS_MACHINE = "127.0.0.1"


@click.command()
@click.argument("what", metavar="FILE.yaml|RUN")
@options.overrides
@options.site
@options.task
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="The next free one is taken."
)
@click.option("--host", default=THIS_MACHINE, show_default=True, help="Address; 0.0.0.0 lets other machines in.")
@options.as_json
def view(
    *, what: str, overrides: tuple[str, ...], site: str | None, task: int | None, port: int, host: str, as_json: bool
) -> int:
    r"""Look at the newest checkpoint in a browser, from anywhere.

    \b
      python launch.py view @last
      python launch.py view k3x9a2 'render.edits=[{remove: 4}]'      # of a drive
      python launch.py view @last --port 9000                   # the next free one if it is in use

    Prints the address of the page. While a run is being trained the picture follows its checkpoints. On a cluster, ask
    for an interactive job, start it there, and lead the port to your own machine with the line of ssh that is printed.

    Exit status: 0 ended by Control-C, 2 no such run or no checkpoint, or viser is missing.
    """
    from nsg_cluster.core.logs import set_up
    from nsg_cluster.core.signals import StopSignal
    from nsg_cluster.runs.control import choose_tasks
    from nsg_cluster.runs.find import run_id
    from nsg_cluster.runs.foreground import enter_site
    from nsg_cluster.runs.references import with_runs_found
    from nsg_cluster.tasks.stages import read_spec

    run = run_to_work_on(what, overrides, site)
    enter_site(run)
    set_up(level=logging.WARNING)
    (index, *_) = choose_tasks(run, [] if task is None else [task])
    paths = run.task(index)
    experiment = with_runs_found(read_spec(paths, overrides), options.storage_of(site))

    from nsg_cluster.viewer.server import serve
    from nsg_cluster.viewer.showing import Showing

    def ready(at: str, found: int) -> None:
        url = f"http://{THIS_MACHINE if at in {THIS_MACHINE, '0.0.0.0'} else at}:{found}"  # noqa: S104
        tunnel = f"ssh -N -L {found}:{THIS_MACHINE}:{found} {socket.gethostname()}"
        if as_json:
            options.print_json({"id": run_id(run), "task": index, "step": showing.step, "url": url, "tunnel": tunnel})
        else:
            click.echo(f"step {showing.step} of run {run_id(run)} at {url} (Control-C ends it)")
            click.echo(f"from your own machine: {tunnel}")

    with StopSignal() as stop:
        showing = Showing(experiment, paths)
        title = f"{experiment.name} {run_id(run)}"
        serve(showing, host=host, port=port, title=title, stop=stop, ready=ready)
    return 0
