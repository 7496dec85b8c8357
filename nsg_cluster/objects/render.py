"""One model to one data set: what is there already is kept, the rest is rendered by one Blender."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsg_cluster.config.model_files import model_file
from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.errors import DataError, MachineError
from nsg_cluster.core.files import write_json
from nsg_cluster.core.logs import printable
from nsg_cluster.core.paths import ObjectPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.objects.child import events
from nsg_cluster.objects.dataset import (
    View,
    finish,
    finished,
    is_finished,
    make_folders,
    remove_empty,
    take,
    views_of,
)
from nsg_cluster.objects.program import Blender, find_blender
from nsg_cluster.objects.records import Record, describe
from nsg_cluster.objects.staging import Staged, stage
from nsg_cluster.tasks.lock import in_turn

__all__ = ["Rendered", "render_model"]

log = logging.getLogger(__name__)
Report = Callable[[int, int], None]
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
    say: Callable[[str], None] = log.info,
) -> Rendered | None:
    """Render what a data set lacks; return None where a stop was requested first.

    Args:
        data: The model and its settings; ``data.out`` is not looked at.
        folder: The data set.
        stop: Requests to stop; what is finished by then is kept.
        again: Replace what stands in the folder, whatever it is of.
        report: Called with the number of finished views and of all, at the beginning and after each view.
        say: Told for whom this one waits, where another process renders into the folder.

    Raises:
        DataError: The model is missing or broken, or the folder holds something else.
        MachineError: There is no Blender, or it failed.
        RunError: The folder cannot be written.
    """
    began = time.monotonic()
    source = model_file(Path(data.model))
    task = _Task(data, source, ObjectPaths(folder), views_of(data), describe(data, source))

    def result(record: Mapping[str, Any], rendered: int) -> Rendered:
        notes, seconds = tuple(map(str, record.get("notes", ()))), time.monotonic() - began
        return Rendered(folder=folder, views=len(task.views), rendered=rendered, seconds=seconds, notes=notes)

    # Without a lock, for what another user has rendered may be read only.
    if not again and (record := finished(task.paths, task.description, task.views, data)):
        report(len(task.views), len(task.views))
        return result(record, 0)
    blender = find_blender()
    with _scratch(source) as scratch:
        # Before anything is written: a broken file leaves no trace.
        staged = stage(source, scratch, max_faces=data.max_faces)
        with in_turn(task.paths.lock, stop=stop, say=say) as has_turn:
            done = _fill(task, blender, staged, stop, again=again, report=report) if has_turn else None
    return None if done is None else result(*done)


@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be there in the end."""

    data: ObjectsData
    source: Path
    paths: ObjectPaths
    views: Sequence[View]
    description: Record


@contextmanager
def _scratch(source: Path) -> Iterator[Path]:
    """Make a folder for what Blender is given; what is wrong with a model names its file."""
    # Not beside the views: Blender fills in the signs # and { of a path.
    folder = Path(tempfile.mkdtemp(prefix="nsg-objects-"))
    where = printable(str(source))
    try:
        yield folder
    except (DataError, MachineError) as error:
        raise type(error)(str(error) if str(error).startswith("/") else f"{where}: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(
    task: _Task, blender: Blender, staged: Staged, stop: StopSignal, *, again: bool, report: Report
) -> tuple[Record, int] | None:
    """Render what is missing; return the record and how much that was. None where a stop was requested first."""
    record = take(task.paths, task.description, again=again)
    try:
        make_folders(task.paths)
        missing = [view for view in task.views if not is_finished(task.paths, view, task.data)]
        kept, views = len(task.views) - len(missing), len(task.views)
        report(kept, views)
        if missing or not record.get("complete"):
            job = staged.scratch / "job.json"
            job.write_text(json.dumps(_job(task, missing, staged)))
            told = events(blender.command(job), staged.scratch, stop)
            placed, notes = _follow(task, told, record, staged, lambda done: report(kept + done, views))
            if stop.requested is not None:
                return None
            notes = [*staged.notes, *notes, *_mixed(kept, record.get("blender"), placed.get("blender"))]
            record = task.description | placed | {"notes": notes, "program": str(blender)}
            finish(task.paths, task.data, task.views, record)
        return record, len(missing)
    finally:
        remove_empty(task.paths)


def _mixed(kept: int, before: Any, now: Any) -> list[str]:
    """Return what there is to say where two versions of Blender have rendered views of one data set."""
    if not kept or before in {None, now}:
        return []
    return [f"{kept} views are of Blender {before}, the others of {now}: --again renders all of them anew"]


def _follow(
    task: _Task, told: Iterator[Mapping[str, Any]], record: Record, staged: Staged, report: Callable[[int], None]
) -> tuple[dict[str, Any], list[str]]:
    """Return what Blender tells of the model, and its notes."""
    placed: dict[str, Any] = {}
    notes: list[str] = []
    done = 0
    for event in told:
        if event["event"] == "model":
            placed = {key: value for key, value in event.items() if key != "event"}
            if "blender" not in record:
                # By what the first views were rendered, should this be interrupted.
                write_json(task.paths.record, task.description | placed | {"complete": False})
        elif event["event"] == "note":
            notes.append(str(event["text"]))
        elif event["event"] == "texture":
            name = printable(staged.textures.get(event["name"], event["name"]))
            if not any(f"'{name}' is missing" in note for note in staged.notes):
                notes.append(f"the texture '{name}' cannot be read by Blender: the material's plain color is used")
        elif event["event"] == "view":
            done += 1
            report(done)
    return placed, notes


def _job(task: _Task, missing: Sequence[View], staged: Staged) -> dict[str, Any]:
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
        "scratch": str(staged.scratch),
        "views": [
            {
                "image": str(paths.image(view.split, view.index)),
                "depth": str(paths.depth(view.split, view.index)) if data.depth else None,
                "normal": str(paths.normal(view.split, view.index)) if data.normals else None,
                "pose": view.pose,
            }
            for view in missing
        ],
    }


def _threads() -> int:
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() and int(named) > 0 else len(os.sched_getaffinity(0))
