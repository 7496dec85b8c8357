"""Places of objects in text files, a file for each picture, as the original Neural Scene Graphs reads and writes them.

A line is one object: x, y, z of the middle of its bottom, its yaw in radians (from x to -z), its track, and what only
people read: length, height, width and class. Files are called ``000.txt``, ``001.txt``, … by the picture. Track -1 is
none of the scene's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.core.errors import DataError, reason_of
from nsg_cluster.geometry.placements import Placements
from nsg_cluster.models.manipulations import placed_in
from nsg_cluster.models.ways import upright

__all__ = ["hand_table", "placed_by_hand", "table_name"]

COLUMNS = 5
NO_TRACK = -1


def table_name(picture: int) -> str:
    """Return the name of the file of a picture."""
    return f"{picture:03d}.txt"


def placed_by_hand(folder: Path, rows: Placements, observed: Placements, index_of: Callable[[int], int]) -> Placements:
    """Return a table in which the objects of every picture that has a file stand where it says.

    Args:
        folder: Holds the files.
        rows: A row group for each picture.
        observed: What the objects look like.
        index_of: Returns the object of a track.

    Raises:
        ConfigError: A file names a track that is not there.
        DataError: There is no file, or one is broken.
    """
    files = [(picture, folder / table_name(picture)) for picture in range(rows.num_frames)]
    found = [(picture, file) for picture, file in files if file.is_file()]
    if not found:
        raise DataError(f"{folder}: holds none of {files[0][1].name} … {files[-1][1].name}, a table for each picture")
    touched = torch.tensor([picture for picture, _ in found])
    result = rows.chosen(~torch.isin(rows.frames, touched))
    for picture, file in found:
        table = _read(file)
        if len(table):
            result = result.joined(_rows(table, picture, observed, index_of))
    return result


def hand_table(rows: Placements, tracks: Sequence[int], classes: Sequence[int]) -> str:
    """Return the file of a picture.

    Args:
        rows: Its rows.
        tracks: Track of each object; those beyond them are of other runs.
        classes: Number of the class of each object.
    """
    lines = []
    yaws = torch.atan2(rows.object_to_world[:, 0, 2], rows.object_to_world[:, 0, 0])
    for index, node in enumerate(rows.objects.tolist()):
        x, y, z = rows.object_to_world[index, :, 3].tolist()
        length, height, width = rows.sizes[index].tolist()
        track = tracks[node] if node < len(tracks) else NO_TRACK
        numbers = [x, y + height / 2, z, float(yaws[index]), track, length, height, width, classes[node]]
        lines.append(" ".join(f"{number:.9g}" for number in numbers))
    return "\n".join(lines) + "\n" if lines else ""


def _read(file: Path) -> Float[Tensor, "objects 5"]:
    """Return the first columns of a file without lines of no track.

    Raises:
        DataError: It is broken.
    """
    rows: list[list[float]] = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read: {reason_of(error)}") from None
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            values = [float(word) for word in words[:COLUMNS]]
        except ValueError:
            values = []
        table = torch.tensor(values, dtype=torch.float64)
        if len(values) < COLUMNS or not bool(table.isfinite().all()) or values[4] != int(values[4]):
            raise DataError(f"{file}:{number}: must begin with five numbers: x, y, z, yaw and a whole track")
        if values[4] != NO_TRACK:
            rows.append(values)
    return torch.tensor(rows, dtype=torch.float32).view(-1, COLUMNS)


def _rows(
    table: Float[Tensor, "objects 5"], picture: int, observed: Placements, index_of: Callable[[int], int]
) -> Placements:
    nodes = torch.tensor([index_of(int(track)) for track in table[:, 4].tolist()])
    looks = torch.stack([torch.nonzero(observed.objects == node)[0, 0] for node in nodes])
    rows = placed_in(observed, looks, torch.full((len(table),), picture))
    middle = table[:, :3].clone()
    middle[:, 1] -= rows.sizes[:, 1] / 2
    pose = torch.cat([upright(table[:, 3]), middle[:, :, None]], dim=2)
    return replace(rows, object_to_world=pose, sources=torch.full_like(rows.sources, -1))
