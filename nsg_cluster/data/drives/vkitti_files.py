"""Text files of Virtual KITTI 2: tables with one header line. Read here, interpreted elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.kitti_files import numbered_lines, numbers

__all__ = ["CameraTable", "PoseRow", "read_colors", "read_extrinsic", "read_info", "read_intrinsic", "read_pose"]

WORLD = ("world_space_X", "world_space_Y", "world_space_Z")
TURNS = ("rotation_world_space_y", "rotation_world_space_x", "rotation_world_space_z")


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTable:
    """Values of each frame and camera, in the order of the file."""

    frames: Int[np.ndarray, " rows"]
    cameras: Int[np.ndarray, " rows"]
    values: Float[np.ndarray, "rows values"]

    def of(self, frame: int, camera: int) -> Float[np.ndarray, " values"] | None:
        """Return the values of a frame and a camera; None where there are none."""
        rows = np.flatnonzero((self.frames == frame) & (self.cameras == camera))
        return self.values[rows[0]] if rows.size else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseRow:
    """One object seen by one camera in one frame, in the world (x right or forward, y down)."""

    frame: int
    camera: int
    track: int
    size: tuple[float, float, float]
    """Length, height and width, in meters; files have them in another order."""
    bottom: tuple[float, float, float]
    """Middle of the underside of the box."""
    turn_rad: tuple[float, float, float]
    """Turns about y, x and z of the world."""


def read_intrinsic(path: Path) -> CameraTable:
    """Read focal lengths and principal points: fx, fy, cx, cy in pixels.

    Raises:
        DataError: The file is missing or a line is broken.
    """
    return _camera_table(path, range(2, 6), 6)


def read_extrinsic(path: Path) -> CameraTable:
    """Read maps from the world to the camera, 16 numbers row by row.

    Raises:
        DataError: The file is missing or a line is broken.
    """
    return _camera_table(path, range(2, 18), 18)


def read_pose(path: Path) -> tuple[PoseRow, ...]:
    """Read where objects are.

    Raises:
        DataError: The file is missing, a column is missing, a line is broken, or a box has no size.
    """
    lines = numbered_lines(path)
    header = next(lines, (1, ""))[1].split()
    wanted = ("frame", "cameraID", "trackID", "length", "height", "width", *WORLD, *TURNS)
    missing = [name for name in wanted if name not in header]
    if missing:
        raise DataError(f"{path}:1: the header has no column {missing[0]}; it has {', '.join(header) or 'nothing'}")
    at = [header.index(name) for name in wanted]
    rows = []
    for line, text in lines:
        fields = text.split()
        _refuse_length(path, line, fields, len(header))
        row = numbers(path, line, [fields[index] for index in at], "this line").tolist()
        if min(row[3:6]) <= 0:
            raise DataError(f"{path}:{line}: the box of track {fields[at[2]]} has no size")
        frame, camera, track = (int(value) for value in row[:3])
        rows.append(
            PoseRow(
                frame=frame,
                camera=camera,
                track=track,
                size=(row[3], row[4], row[5]),
                bottom=(row[6], row[7], row[8]),
                turn_rad=(row[9], row[10], row[11]),
            )
        )
    return tuple(rows)


def read_info(path: Path) -> dict[int, str]:
    """Read the label of each track: Car, Van, Truck.

    Raises:
        DataError: The file is missing or a line is broken.
    """
    lines = numbered_lines(path)
    next(lines, None)
    labels = {}
    for line, text in lines:
        fields = text.split()
        if len(fields) < 2 or not fields[0].isdigit():
            raise DataError(f"{path}:{line}: must begin with the number of a track and its label, not '{text.strip()}'")
        labels[int(fields[0])] = fields[1]
    return labels


def read_colors(path: Path) -> dict[str, tuple[int, int, int]]:
    """Read the color of each class in the class maps.

    Raises:
        DataError: The file is missing or a line is broken.
    """
    lines = numbered_lines(path)
    next(lines, None)
    colors: dict[str, tuple[int, int, int]] = {}
    for line, text in lines:
        name, *shades = text.split() or [""]
        if len(shades) != 3 or not all(shade.isdigit() and int(shade) < 256 for shade in shades):
            raise DataError(
                f"{path}:{line}: must be a class, and red, green and blue from 0 to 255, not '{text.strip()}'"
            )
        red, green, blue = map(int, shades)
        colors[name] = (red, green, blue)
    if not colors:
        raise DataError(f"{path}: has no line below its header")
    return colors


def _camera_table(path: Path, columns: range, length: int) -> CameraTable:
    lines = numbered_lines(path)
    next(lines, None)
    rows = []
    for line, text in lines:
        fields = text.split()
        _refuse_length(path, line, fields, length)
        rows.append(numbers(path, line, fields, "this line"))
    if not rows:
        raise DataError(f"{path}: has no line below its header")
    table = np.stack(rows)
    keys = table[:, :2].astype(np.int64)
    return CameraTable(frames=keys[:, 0], cameras=keys[:, 1], values=table[:, columns.start : columns.stop])


def _refuse_length(path: Path, line: int, fields: Sequence[str], wanted: int) -> None:
    if len(fields) != wanted:
        raise DataError(f"{path}:{line}: has {len(fields)} columns; it must have {wanted}")
