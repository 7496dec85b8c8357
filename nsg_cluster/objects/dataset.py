"""The folder of a data set that is being rendered: what is there, what is missing, and its cameras at the end.

A view is finished when its files are there. ``transforms_*.json`` appear last, so that a data set that can be read is
complete. ``objects.json`` says from the beginning what is rendered here, so that views of different settings never
come together.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.errors import DataError, RunError
from nsg_cluster.core.files import write_json
from nsg_cluster.core.logs import printable
from nsg_cluster.core.paths import ObjectPaths
from nsg_cluster.objects.cameras import SPLITS, Pose, poses
from nsg_cluster.objects.records import Record, age_notes, difference, read_record

__all__ = ["View", "finish", "finished", "is_finished", "make_folders", "remove_empty", "take", "views_of"]


@dataclass(frozen=True, slots=True)
class View:
    """One image to be rendered."""

    split: str
    index: int
    pose: Pose


def views_of(data: ObjectsData) -> list[View]:
    """Return the views of a data set, split by split."""
    return [View(split, index, pose) for split, found in poses(data).items() for index, pose in enumerate(found)]


def make_folders(paths: ObjectPaths) -> None:
    """Make the folders of a data set.

    Raises:
        RunError: They cannot be written.
    """
    try:
        for split in SPLITS:
            (paths.root / split).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"{printable(str(paths.root))}: a data set cannot be written there: {error.strerror}; choose another folder"
        ) from None


def take(paths: ObjectPaths, description: Record, *, again: bool) -> Record:
    """Return the record of a folder that this data set may use; a new one is marked.

    Raises:
        DataError: Something else was rendered there.
        RunError: The folder cannot be written.
    """
    found = read_record(paths)
    if found is not None and not again:
        if (other := difference(found, description, paths)) is None:
            return _kept(found, description)
        raise DataError(
            f"{printable(str(paths.root))}: holds views of {other}; name another folder, or replace them: "
            f"launch.py data render-objects … --again"
        )
    write_json(paths.record, description | {"complete": False})
    if found is not None:
        _clear(paths)
    return {}


def finished(paths: ObjectPaths, description: Record, views: Sequence[View], data: ObjectsData) -> Record | None:
    """Return the record of a data set that is there with all its views."""
    found = read_record(paths)
    if not found or not found.get("complete") or difference(found, description, paths) is not None:
        return None
    return _kept(found, description) if all(is_finished(paths, view, data) for view in views) else None


def _kept(found: Record, description: Record) -> Record:
    """Return a record with what there is to say of its age."""
    return found | {"notes": [*found.get("notes", ()), *age_notes(found, description)]}


def remove_empty(paths: ObjectPaths) -> None:
    """Take a folder away again in which no view has come to be; what else lies there stays."""
    if any(True for split in SPLITS for _ in (paths.root / split).glob("r_*.png")):
        return
    _clear(paths)
    paths.record.unlink(missing_ok=True)
    paths.lock.unlink(missing_ok=True)
    for folder in (*(paths.root / split for split in SPLITS), paths.root):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _clear(paths: ObjectPaths) -> None:
    """Remove the views of a data set, and nothing that it did not write."""
    for split in SPLITS:
        paths.transforms(split).unlink(missing_ok=True)
        for pattern in ("r_*.png", "r_*_depth.npy", ".tmp-r_*"):
            for file in (paths.root / split).glob(pattern):
                file.unlink()


def is_finished(paths: ObjectPaths, view: View, data: ObjectsData) -> bool:
    """Return whether every file of a view is there."""
    files = [paths.image(view.split, view.index)]
    files += [paths.depth(view.split, view.index)] if data.depth else []
    files += [paths.normal(view.split, view.index)] if data.normals else []
    return all(file.is_file() and file.stat().st_size > 0 for file in files)


def finish(paths: ObjectPaths, data: ObjectsData, views: Sequence[View], record: Record) -> None:
    """Write the cameras, then that all is there.

    Raises:
        RunError: A file cannot be written.
    """
    for split in SPLITS:
        frames = [_frame(paths, view, data) for view in views if view.split == split]
        write_json(paths.transforms(split), {**_intrinsics(data), "frames": frames})
    write_json(paths.record, record | {"complete": True})


def _intrinsics(data: ObjectsData) -> dict[str, float | int]:
    size, focal = data.image_size, data.cameras.focal
    return {
        "camera_angle_x": 2.0 * math.atan(0.5 / focal),
        "fl_x": focal * size,
        "fl_y": focal * size,
        "cx": 0.5 * size,
        "cy": 0.5 * size,
        "w": size,
        "h": size,
    }


def _frame(paths: ObjectPaths, view: View, data: ObjectsData) -> dict[str, Any]:
    image = paths.image(view.split, view.index)
    frame: dict[str, Any] = {"file_path": f"./{view.split}/{image.stem}"}
    if data.depth:
        frame["depth_path"] = f"./{view.split}/{paths.depth(view.split, view.index).name}"
    if data.normals:
        frame["normal_path"] = f"./{view.split}/{paths.normal(view.split, view.index).name}"
    return frame | {"transform_matrix": [*view.pose, [0.0, 0.0, 0.0, 1.0]]}
