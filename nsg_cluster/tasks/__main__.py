"""``python -m nsg_cluster.tasks TASK_FOLDER``: the stages of one task, in this process."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from nsg_cluster.core.errors import NsgError
from nsg_cluster.core.logs import set_up
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.core.staged import redirect
from nsg_cluster.tasks.foreground import run_here
from nsg_cluster.tasks.stages import read_spec, run_stages
from nsg_cluster.tasks.watch import STAGES

ORPHAN_GRACE_S = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stages of a task and return the exit status (see `nsg_cluster.tasks.watch`)."""
    arguments = _arguments(argv)
    paths = TaskPaths(arguments.folder.absolute(), arguments.results)
    if arguments.data:
        redirect(*arguments.data)
    set_up(stream=sys.stdout)
    # Signals are listened to before anything slow is imported: by default a warning would end this process.
    with StopSignal() as stop:
        try:
            experiment = read_spec(paths)
            if not arguments.watched and not arguments.stage:
                return run_here(experiment, paths, stop=stop)
            if arguments.watched:
                threading.Thread(target=_end_with_the_watcher, name="watcher", daemon=True).start()
            # A part of the stages says nothing about the state of the task.
            return run_stages(experiment, paths, stages=arguments.stage or experiment.stages, stop=stop)
        except NsgError as error:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the last line is what people are shown
            return error.exit_status
        except Exception:  # noqa: BLE001 - a fault of ours, shown whole
            traceback.print_exc()
            return 1


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m nsg_cluster.tasks",
        description="Run the stages of one task of a run in this process, from where an earlier attempt stopped.",
        epilog="Exit status: 0 done, 75 to be continued, 1 failed, 2 a mistake of the user, 143 stopped on request.",
    )
    parser.add_argument(
        "folder", type=Path, metavar="TASK_FOLDER", help="such as runs/lego/20261121T071012-k3x9a2/tasks/0"
    )
    parser.add_argument("--stage", action="append", choices=STAGES, help="only this one; may be given again")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="where results are written, to be copied later")
    parser.add_argument("--data", nargs=2, metavar=("FOLDER", "COPY"), help="read COPY instead of the data in FOLDER")
    parser.add_argument(
        "--watched",
        action="store_true",
        help="given by the process that watches this one: it keeps status.json, and standard input closes when it ends",
    )
    return parser.parse_args(argv)


def _end_with_the_watcher() -> None:
    """Stop this process when the one that watches it is gone: nothing may go on beside a task that is run again."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(ORPHAN_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
