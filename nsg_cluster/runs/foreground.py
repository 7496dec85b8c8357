"""A run in this very process: no scheduler, no child, so that a debugger and a profiler see everything."""

from __future__ import annotations

import contextlib
import os
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

from nsg_cluster.config.site import load_site
from nsg_cluster.core.errors import NsgError
from nsg_cluster.core.logs import set_up
from nsg_cluster.core.paths import RunPaths, TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.executor.charge import take_charge
from nsg_cluster.runs.follow import Display, follow
from nsg_cluster.runs.provisions import environment_here
from nsg_cluster.runs.record import read_record
from nsg_cluster.runs.status import RunRow, read_run
from nsg_cluster.tasks.foreground import run_here
from nsg_cluster.tasks.secrets import read_secrets
from nsg_cluster.tasks.stages import read_spec

__all__ = ["enter_site", "run_in_foreground"]


def enter_site(run: RunPaths) -> None:
    """Set the environment variables that a run's site has for tasks, in this process, secrets among them.

    Raises:
        ConfigError: The run's site is not known any more, or its secrets cannot be used.
    """
    site = load_site(read_record(run).site)
    os.environ.update(environment_here(site))
    if site.secrets:
        os.environ.update(read_secrets(Path(site.secrets)))


def run_in_foreground(run: RunPaths, display: Display) -> tuple[RunRow, bool]:
    """Run the queued tasks of a run one after another here; return what became of it and whether it was interrupted.

    A task that fails does not keep the others from running.

    Raises:
        ConfigError: The run's site is not known any more.
        RunError: Another process runs them.
    """
    enter_site(run)
    with StopSignal() as stop, take_charge(run), _shown(run, display):
        for task in read_run(run).tasks:
            if task.status.state == "queued" and not stop.requested:
                _run_task(run.task(task.index), stop)
    return read_run(run), stop.requested == "cancel"


def _run_task(paths: TaskPaths, stop: StopSignal) -> None:
    with paths.log_out.open("a") as out, paths.log_err.open("a") as err:
        set_up(stream=out)
        try:
            run_here(read_spec(paths), paths, stop=stop)
        except NsgError as error:
            err.write(f"error: {error}\n")  # also in the status, from where it is shown
        except Exception:  # noqa: BLE001 - a fault of ours, shown whole; the next task may go well
            err.write(traceback.format_exc())
            traceback.print_exc()
        finally:
            set_up()


@contextlib.contextmanager
def _shown(run: RunPaths, display: Display) -> Iterator[None]:
    """Show a run from another thread while the context is open."""
    over = threading.Event()
    thread = threading.Thread(
        target=follow, args=(run, display), kwargs={"is_over": over.is_set}, name="display", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
