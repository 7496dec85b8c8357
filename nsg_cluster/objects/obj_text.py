r"""An .obj file read once, line by line, before Blender sees it: checked, counted, and copied with its material file.

Blender skips faces that it does not understand, follows what a file includes, and ends when memory does. So what is
wrong is said here, with its line. The copy has one ``mtllib`` line, in front, and none that runs other files.

The format is Wavefront's, "Advanced Visualizer" appendix B1: ``v``, ``vt``, ``vn``, ``f`` with 1-based or negative
indices, ``mtllib``, ``usemtl``, and ``\`` at the end of a line that goes on in the next.
"""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from nsg_cluster.core.errors import DataError
from nsg_cluster.core.logs import printable

__all__ = ["TOO_MANY", "ObjSummary", "copy_obj", "libraries_of"]

MAX_LINE = 1 << 20
TOO_MANY = "max_faces is {most}; raise it if the memory is there (about 1 kB for each face), or simplify the model"
LOOKED_AT = 1 << 16
# Squares of coordinates must be finite in single precision.
LARGEST = 1e18
# ``call`` includes another file, perhaps itself, and ``csh`` runs a command.
RUNNING = {b"call", b"csh", b"trace_obj", b"shadow_obj"}
GOES_ON = re.compile(rb"\\\r?\n")
# Written by some editors before the text of a file in UTF-8.
MARK = b"\xef\xbb\xbf"
LIBRARY_LINE = re.compile(rb"^(?:\xef\xbb\xbf)?[ \t]*mtllib[ \t]((?:\\\r?\n|[^\r\n])*)", re.MULTILINE)


@dataclass(slots=True)
class ObjSummary:
    """What an .obj file holds."""

    vertices: int = 0
    faces: int = 0
    libraries: list[bytes] = field(default_factory=list)
    """File names of ``mtllib`` lines, as written."""
    notes: list[str] = field(default_factory=list)
    """What was left out."""
    materials: dict[bytes, None] = field(default_factory=dict)
    """Names of ``usemtl`` lines."""
    coordinates: int = 0
    """Texture coordinates so far."""
    normals: int = 0
    """Normals so far."""
    thin: int = 0
    """Faces of fewer than three corners."""
    bared: int = 0
    """Faces whose texture coordinates or normals are not there."""
    largest_index: int = 0
    largest_line: int = 0
    """The largest index of a vertex in a face, and the line where it stands."""
    early_index: int = 0
    early_line: int = 0
    """The first index of a vertex that stands after the face, and the line of the face."""

    def bare(self, line: bytes, corners: list[bytes]) -> bytes:
        """Return the line of a face, without what is not there: Blender would leave the whole face out."""
        if b"/" not in line or all(map(self._has, corners)):
            return line
        self.bared += 1
        return b"f " + b" ".join(corner.partition(b"/")[0] for corner in corners)

    def _has(self, corner: bytes) -> bool:
        """Return whether texture coordinate and normal of a corner are there; before the first of them all may come."""
        for index, count in zip(corner.split(b"/")[1:], (self.coordinates, self.normals), strict=False):
            if index and count and not (index.lstrip(b"-").isdigit() and 1 <= abs(int(index)) <= count):
                return False
        return True


def copy_obj(source: Path, target: Path, *, library: str, max_faces: int) -> ObjSummary:
    """Check an .obj file and copy it for Blender.

    Args:
        source: The file.
        target: The copy.
        library: Name of the material file that the copy shall use.
        max_faces: Most faces that are allowed.

    Raises:
        DataError: It is empty, binary, cut short, has too many faces, no faces, or an index beyond its vertices.
    """
    summary = ObjSummary()
    try:
        with source.open("rb") as file, target.open("wb") as copy:
            _refuse_binary(source, file)
            copy.write(b"mtllib " + library.encode() + b"\n")
            for number, line in _lines(source, file):
                if kept := _kept(source, number, line, summary, max_faces):
                    copy.write(kept + b"\n")
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else str(source)
        raise DataError(f"{printable(where)}: cannot be read or copied: {error.strerror}") from None
    _check_whole(source, summary)
    return summary


def libraries_of(source: Path) -> list[bytes]:
    """Return what the ``mtllib`` lines of an .obj file name, as `copy_obj` finds it, without a look at anything else.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return [GOES_ON.sub(b" ", line[1]).strip() for line in LIBRARY_LINE.finditer(text)]
    except ValueError:  # an empty file cannot be mapped
        return []
    except OSError as error:
        raise DataError(f"{_shown(source)}: cannot be read: {error.strerror}") from None


def _refuse_binary(source: Path, file: IO[bytes]) -> None:
    head = file.read(LOOKED_AT)
    file.seek(0)
    if not head.strip():
        raise DataError(f"{_shown(source)}: is empty")
    if b"\0" in head:
        raise DataError(f"{_shown(source)}: is binary; an .obj file is text (is it an object file of a compiler?)")


def _lines(source: Path, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield number and text of each line; lines that go on in the next are joined."""
    joined, began = b"", 0
    number = 0
    while raw := file.readline(MAX_LINE):
        number += 1
        if len(raw) == MAX_LINE:
            raise DataError(
                f"{_shown(source)}:{number}: the line is longer than {MAX_LINE} bytes; this is no .obj file"
            )
        line = (raw.removeprefix(MARK) if number == 1 else raw).rstrip(b"\r\n")
        if line.endswith(b"\\") and len(joined) < MAX_LINE:
            joined, began = joined + line[:-1] + b" ", began or number
            continue
        yield began or number, joined + line
        joined, began = b"", 0
    if joined:
        yield began, joined


def _kept(source: Path, number: int, line: bytes, summary: ObjSummary, max_faces: int) -> bytes | None:
    """Count a line; return it as it belongs into the copy."""
    words = line.split()
    if not words:
        return None
    if words[0] == b"v":
        summary.vertices += 1
        _check_vertex(source, number, words)
    elif words[0] == b"vt":
        summary.coordinates += 1
    elif words[0] == b"vn":
        summary.normals += 1
    elif words[0] == b"f":
        has_area = _count_face(source, number, words[1:], summary, max_faces)
        return summary.bare(line, words[1:]) if has_area else None
    elif words[0] == b"usemtl":
        summary.materials[line.strip()[len(b"usemtl") :].strip()] = None
    elif words[0] == b"mtllib":
        summary.libraries.append(line.strip()[len(b"mtllib") :].strip())
        return None
    elif words[0] in RUNNING:
        summary.notes.append(f"line {number}: '{words[0].decode()}' would read or run another file: left out")
        return None
    return line


def _check_vertex(source: Path, number: int, words: list[bytes]) -> None:
    try:
        x, y, z = map(float, words[1:4])
    except ValueError:
        what = _shown_text(b" ".join(words))
        raise DataError(f"{_shown(source)}:{number}: a vertex needs three numbers, found '{what}'") from None
    if not max(abs(x), abs(y), abs(z)) < LARGEST or math.isnan(x + y + z):
        raise DataError(f"{_shown(source)}:{number}: a vertex at ({x:g}, {y:g}, {z:g}) is beyond all measure")


def _count_face(source: Path, number: int, corners: list[bytes], summary: ObjSummary, max_faces: int) -> bool:
    """Check a face's indices of vertices; return whether it has an area."""
    try:
        indices = [int(corner.partition(b"/")[0]) for corner in corners]
    except ValueError:
        what = _shown_text(b" ".join(corners))
        raise DataError(
            f"{_shown(source)}:{number}: 'f {what}' is no face: its corners must be whole numbers"
        ) from None
    if indices and (min(indices) < -summary.vertices or 0 in indices):
        wrong = 0 if 0 in indices else min(indices)
        raise DataError(
            f"{_shown(source)}:{number}: a face has the vertex {wrong}, and {summary.vertices} stand before it"
        )
    if (most := max(indices, default=0)) > summary.largest_index:
        summary.largest_index, summary.largest_line = most, number
    if most > summary.vertices and not summary.early_index:
        summary.early_index, summary.early_line = most, number
    if len(set(indices)) < 3:
        summary.thin += 1
        return False
    summary.faces += 1
    if summary.faces > max_faces:
        raise DataError(
            f"{_shown(source)}:{number}: has more than {max_faces} faces: {TOO_MANY.format(most=max_faces)}"
        )
    return True


def _check_whole(source: Path, summary: ObjSummary) -> None:
    if summary.largest_index > summary.vertices:
        raise DataError(
            f"{_shown(source)}:{summary.largest_line}: a face has the vertex {summary.largest_index}, and the file "
            f"holds {summary.vertices}: it is cut short or damaged; copy it again"
        )
    if summary.early_index:
        raise DataError(
            f"{_shown(source)}:{summary.early_line}: a face has the vertex {summary.early_index}, which stands after "
            f"it; Blender leaves such faces out: put the lines of vertices in front"
        )
    if not summary.faces:
        raise DataError(f"{_shown(source)}: has no faces (and {summary.vertices} vertices); is it cut short?")
    if summary.thin:
        summary.notes.append(f"{summary.thin} faces have fewer than three different corners: left out")
    if summary.bared:
        summary.notes.append(f"{summary.bared} faces name texture coordinates or normals that are not there: left out")


def _shown(path: Path) -> str:
    return printable(str(path))


def _shown_text(text: bytes) -> str:
    return printable(text[:60].decode(errors="replace"))
