"""One model to one data set: what is there already is kept, the rest is rendered by one Blender."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsg_cluster.config.model_files import model_file
from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.errors import DataError
from nsg_cluster.core.logs import printable
from nsg_cluster.core.paths import ObjectPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.objects.child import events
from nsg_cluster.objects.dataset import View, describe, finish, is_finished, make_folders, take, views_of
from nsg_cluster.objects.program import find_blender
from nsg_cluster.objects.staging import Staged, stage
from nsg_cluster.tasks.lock import locked

__all__ = ["Rendered", "render_model"]

Report = Callable[[int, int], None]
# Another process renders the same model, for another task of the same sweep perhaps: it may take its time.
LOCK_WAIT_S = 24 * 3600.0
Z_UP = {"ply", "stl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What became of a model."""

    folder: Path
    views: int
    """Views of the data set."""
    rendered: int
    """Views that were rendered now."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What was left out or mended."""


def render_model(
    data: ObjectsData,
    folder: Path,
    *,
    stop: StopSignal,
    again: bool = False,
    report: Report = lambda _done, _all: None,
) -> Rendered | None:
    """Render what a data set lacks; return None where a stop was requested first.

    Args:
        data: The model and its settings; ``data.out`` is not looked at.
        folder: The data set.
        stop: Requests to stop; what is finished by then is kept.
        again: Replace what stands in the folder, whatever it is of.
        report: Called with the number of finished views and of all, at the beginning and after each view.

    Raises:
        DataError: The model is missing or broken, or the folder holds something else.
        MachineError: There is no Blender, or it failed.
        RunError: The folder cannot be written.
    """
    began = time.monotonic()
    source = model_file(Path(data.model))
    description = describe(data, source)
    paths, views = ObjectPaths(folder), views_of(data)
    make_folders(paths)
    with locked(paths.lock, wait_s=LOCK_WAIT_S):
        record = take(paths, description, again=again)
        missing = [view for view in views if not is_finished(paths, view, data)]
        kept = len(views) - len(missing)
        report(kept, len(views))
        if missing or not record.get("complete"):
            task = _Task(data, source, paths, missing)
            placed = _render(task, stop, lambda done: report(kept + done, len(views)))
            if placed is None:
                return None
            record = description | placed
            finish(paths, data, views, record)
    notes = tuple(map(str, record.get("notes", ())))
    seconds = time.monotonic() - began
    return Rendered(folder=folder, views=len(views), rendered=len(missing), seconds=seconds, notes=notes)


@dataclass(frozen=True, slots=True)
class _Task:
    """What Blender has to do."""

    data: ObjectsData
    source: Path
    paths: ObjectPaths
    views: Sequence[View]


def _render(task: _Task, stop: StopSignal, report: Callable[[int], None]) -> dict[str, Any] | None:
    """Render views; return where Blender put the model, and what was mended. None where a stop was requested first."""
    blender = find_blender()
    # Not beside the views: Blender fills in the signs # and { of a path.
    scratch = Path(tempfile.mkdtemp(prefix="nsg-objects-"))
    try:
        staged = stage(task.source, scratch, max_faces=task.data.max_faces)
        job = scratch / "job.json"
        job.write_text(json.dumps(_job(task, staged, scratch)))
        placed, notes = _follow(events(blender.command(job), scratch, stop), report)
    except DataError as error:
        where = printable(str(task.source))
        raise DataError(str(error) if str(error).startswith(where) else f"{where}: {error}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if stop.requested is not None:
        return None
    return placed | {"notes": [*staged.notes, *notes], "program": str(blender)}


def _follow(told: Any, report: Callable[[int], None]) -> tuple[dict[str, Any], list[str]]:
    """Return what Blender tells of the model, and its notes."""
    placed: dict[str, Any] = {}
    notes: list[str] = []
    done = 0
    for event in told:
        if event["event"] == "model":
            placed = {key: value for key, value in event.items() if key != "event"}
        elif event["event"] == "note":
            notes.append(str(event["text"]))
        elif event["event"] == "view":
            done += 1
            report(done)
    return placed, notes


def _job(task: _Task, staged: Staged, scratch: Path) -> dict[str, Any]:
    data, paths = task.data, task.paths
    up = data.up if data.up != "auto" else "z" if staged.format in Z_UP else "y"
    return {
        "model": str(staged.file),
        "format": staged.format,
        "up": up,
        "normalize": data.normalize,
        "lights": data.lights,
        "image_size": data.image_size,
        "samples": data.samples,
        "device": data.device,
        "threads": data.threads or _threads(),
        "focal": data.cameras.focal,
        "radius": data.cameras.radius,
        "scratch": str(scratch),
        "views": [
            {
                "image": str(paths.image(view.split, view.index)),
                "depth": str(paths.depth(view.split, view.index)) if data.depth else None,
                "normal": str(paths.normal(view.split, view.index)) if data.normals else None,
                "pose": view.pose,
            }
            for view in task.views
        ],
    }


def _threads() -> int:
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() and int(named) > 0 else len(os.sched_getaffinity(0))
