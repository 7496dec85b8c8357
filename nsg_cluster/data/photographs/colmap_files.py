"""COLMAP's ``cameras``, ``images`` and ``points3D``, binary or text, as its documentation lays them out.

Poses map world to camera with OpenCV axes, rotations are quaternions (w, x, y, z). Pixel centers are at half integers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nsg_cluster.core.errors import DataError, did_you_mean

__all__ = ["ColmapCamera", "ColmapImage", "read_cameras", "read_images_of_colmap", "read_points"]

# Name and number of parameters by the number in binary files.
MODELS = (
    ("SIMPLE_PINHOLE", 3),
    ("PINHOLE", 4),
    ("SIMPLE_RADIAL", 4),
    ("RADIAL", 5),
    ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12),
    ("FOV", 5),
    ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5),
    ("THIN_PRISM_FISHEYE", 12),
)
COUNTS = dict(MODELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColmapCamera:
    """Intrinsics that images share."""

    model: str
    width: int
    height: int
    parameters: tuple[float, ...]
    """In COLMAP's order: focal length or lengths, principal point, distortion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColmapImage:
    """A photograph that COLMAP has registered."""

    name: str
    camera: int
    quaternion: tuple[float, float, float, float]
    translation: tuple[float, float, float]


def read_cameras(folder: Path) -> dict[int, ColmapCamera]:
    """Return the cameras of a reconstruction by their numbers.

    Raises:
        DataError: The file is missing, broken, or has a camera of an unknown model.
    """
    file = _file(folder, "cameras")
    return _text_cameras(file) if file.suffix == ".txt" else _binary_cameras(file)


def read_images_of_colmap(folder: Path) -> list[ColmapImage]:
    """Return the registered images of a reconstruction, by their names.

    Raises:
        DataError: The file is missing or broken.
    """
    file = _file(folder, "images")
    images = _text_images(file) if file.suffix == ".txt" else _binary_images(file)
    return sorted(images, key=lambda image: image.name)


def read_points(folder: Path) -> Float[np.ndarray, "points 3"]:
    """Return the positions of the reconstructed points; none where the file is missing.

    Raises:
        DataError: The file is broken.
    """
    if not any((folder / f"points3D{ending}").is_file() for ending in (".bin", ".txt")):
        return np.zeros((0, 3))
    file = _file(folder, "points3D")
    if file.suffix == ".txt":
        rows = [_floats(where, line.split()[1:4], 3) for where, line in _text_lines(file) if line.strip()]
    else:
        rows = [list(position) for position in _binary_points(file)]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _file(folder: Path, stem: str) -> Path:
    for ending in (".bin", ".txt"):
        if (folder / f"{stem}{ending}").is_file():
            return folder / f"{stem}{ending}"
    raise DataError(f"data.sparse: there is neither {stem}.bin nor {stem}.txt in '{folder}'")


def _text_lines(file: Path) -> Iterator[tuple[str, str]]:
    """Yield where each line stands and what it says, comments left out.

    Raises:
        DataError: The file is no text.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: the file is no text ({error})") from None
    for number, line in enumerate(lines, 1):
        if not line.startswith("#"):
            yield f"{file}:{number}", line


def _floats(where: str, words: Sequence[str], count: int) -> list[float]:
    """Return numbers.

    Raises:
        DataError: They are not as many, or no numbers.
    """
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
    if len(numbers) != count:
        raise DataError(f"{where}: {count} numbers are needed, and there are {len(numbers)}")
    return numbers


def _text_cameras(file: Path) -> dict[int, ColmapCamera]:
    found = {}
    for where, line in _text_lines(file):
        number, model, *rest = line.split() or ["", ""]
        if not number:
            continue
        if model not in COUNTS:
            near = did_you_mean(model, COUNTS)
            raise DataError(f"{where}: camera model '{model}' is unknown; known are {', '.join(COUNTS)}.{near}")
        width, height, *parameters = _floats(where, rest, 2 + COUNTS[model])
        found[round(_floats(where, [number], 1)[0])] = ColmapCamera(
            model=model, width=round(width), height=round(height), parameters=tuple(parameters)
        )
    return found


def _text_images(file: Path) -> list[ColmapImage]:
    """Every other line lists the points that are seen, and may be empty."""
    found = []
    for where, line in list(_text_lines(file))[::2]:
        words = line.split(maxsplit=9)
        if len(words) != 10:
            raise DataError(f"{where}: an image has 10 entries, and this line has {len(words)}: {line[:80]!r}")
        *numbers, camera = _floats(where, words[1:9], 8)
        found.append(_image(words[9], round(camera), numbers))
    return found


def _image(name: str, camera: int, numbers: Sequence[float]) -> ColmapImage:
    w, x, y, z, tx, ty, tz = numbers
    return ColmapImage(name=name, camera=camera, quaternion=(w, x, y, z), translation=(tx, ty, tz))


def _binary_cameras(file: Path) -> dict[int, ColmapCamera]:
    reader = _Reader(file)
    found = {}
    for _ in range(reader.count()):
        number, kind, width, height = map(round, reader.read("<iiQQ"))
        if not 0 <= kind < len(MODELS):
            raise DataError(f"{file}: camera {number} is of the unknown model number {kind}")
        model, count = MODELS[kind]
        parameters = reader.read(f"<{count}d")
        found[number] = ColmapCamera(model=model, width=width, height=height, parameters=parameters)
    return found


def _binary_images(file: Path) -> list[ColmapImage]:
    reader = _Reader(file)
    found = []
    for _ in range(reader.count()):
        _, *numbers, camera = reader.read("<i7di")
        name = reader.text()
        reader.skip(24 * reader.count())
        found.append(_image(name, round(camera), numbers))
    return found


def _binary_points(file: Path) -> Iterator[tuple[float, ...]]:
    reader = _Reader(file)
    for _ in range(reader.count()):
        _, *position = reader.read("<Q3d")
        reader.skip(3 + 8)
        reader.skip(8 * reader.count())
        yield tuple(position)


class _Reader:
    """Reads a binary file from front to back."""

    def __init__(self, file: Path) -> None:
        self._file, self._data, self._at = file, file.read_bytes(), 0

    def read(self, layout: str) -> tuple[float, ...]:
        """Return the numbers of a layout.

        Raises:
            DataError: The file ends before that.
        """
        start = self._at
        self.skip(struct.calcsize(layout))
        return struct.unpack_from(layout, self._data, start)

    def count(self) -> int:
        """Return a number of things that follow."""
        return int(self.read("<Q")[0])

    def text(self) -> str:
        """Return a text that ends with a zero byte."""
        end = self._data.find(b"\0", self._at)
        start = self._at
        self.skip(max(end - start, 0) + 1 if end >= 0 else len(self._data))
        return self._data[start:end].decode("utf-8", errors="surrogateescape")

    def skip(self, size: int) -> None:
        """Pass over some bytes.

        Raises:
            DataError: The file ends before that.
        """
        self._at += size
        if self._at > len(self._data):
            raise DataError(
                f"{self._file}: the file is cut short: it ends after {len(self._data)} bytes; copy it again"
            )
