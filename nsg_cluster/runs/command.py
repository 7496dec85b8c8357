"""The program that computes a task, the package that it computes with, and the image that it may run in."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nsg_cluster.core.files import write_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.tasks.orders import HERE, literal

if TYPE_CHECKING:
    from nsg_cluster.container.command import Container

__all__ = ["keep_source", "stage_command", "write_container"]

PACKAGE = Path(__file__).resolve().parents[1]


def stage_command(run: RunPaths, container: Container | None) -> tuple[str, ...]:
    """Return the words before a task's folder and options; ``$NAME`` in them stands for a variable of the job.

    The host side of a job starts them. In a container the Python of the image takes the place of this one; what enters
    the container is the package that the run has kept.
    """
    if container is None:
        return HERE
    enter = ("/usr/bin/env", f"PYTHONPATH={run.source}", sys.executable, "-m", "nsg_cluster.container")
    return tuple(map(literal, (*enter, str(run.container), container.python, *HERE[1:])))


def keep_source(draft: RunPaths) -> None:
    """Copy this package into a run, so that jobs which wait do not change when the checkout is edited.

    What lies beside the package in the checkout and is too large to be copied is found by `RunPaths.checkout`.

    Raises:
        OSError: It cannot be written.
    """
    leave_out = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(PACKAGE, draft.source / PACKAGE.name, ignore=leave_out)
    draft.checkout.write_bytes(os.fsencode(PACKAGE.parent))


def write_container(draft: RunPaths, run: RunPaths, container: Container) -> None:
    """Write which image the tasks of a run run in, and how.

    Args:
        draft: Where to write.
        run: Where the run will be.
        container: The image.
    """
    write_json(draft.container, replace(container, source=str(run.source)).to_json())
