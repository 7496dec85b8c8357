"""A run of ours around weights that were trained elsewhere."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from nsg_cluster.core.documents import dump_yaml
from nsg_cluster.core.errors import RunError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.runs.submit import create, make_plan
from nsg_cluster.tasks.adopt import describe_nsg, take_nsg_weights
from nsg_cluster.tasks.status import TaskStatus, write_status

__all__ = ["adopt_nsg"]

NAME = "nsg_official"


def adopt_nsg(source: Path, destination: Path, *, root: str | None = None, step: int | None = None) -> RunPaths:
    """Make a run folder from a folder of official Neural Scene Graphs weights; nothing is left of a failure.

    Args:
        source: Holds ``model_<step>.npy`` and its companions.
        destination: The run's folder, which must not exist.
        root: Folder of KITTI tracking; by default the one that the weights' arguments name.
        step: Step of the weights; the newest by default.

    Raises:
        NsgError: A file is missing, broken or refused; KITTI's files are not there; or the folder cannot be written.
    """
    if destination.exists():
        raise RunError(f"{destination}: exists already; choose a new folder for the run")
    document = describe_nsg(source, name=NAME, root=root, step=step)
    run = RunPaths(destination.absolute())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "experiment.yaml"
        file.write_text(dump_yaml(document))
        plan = make_plan(file)
    destination.absolute().parent.mkdir(parents=True, exist_ok=True)
    try:
        create(plan, run)
        take_nsg_weights(plan.elements[0], run.task(0), source, step=step)
    except BaseException:
        shutil.rmtree(run.root, ignore_errors=True)
        raise
    finally:
        for made_for_drafts in (plan.storage.runs / NAME, plan.storage.runs):
            with suppress(OSError):
                made_for_drafts.rmdir()
    write_status(run.task(0), replace(TaskStatus(), state="succeeded", exit_status=0, ended=time.time()))
    return run
