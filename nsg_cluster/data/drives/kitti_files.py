"""Text files of the KITTI tracking benchmark: calibration, GPS and IMU, labels. Read here, interpreted elsewhere.

Calibration files circulate in two spellings (``R_rect`` or ``R0_rect:``, ``Tr_velo_cam`` or ``Tr_velo_to_cam:``, …) and
with blanks at the ends of lines, so values are found by key.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nsg_cluster.core.errors import DataError, reason_of

__all__ = [
    "Calibration",
    "Label",
    "Labels",
    "numbered_lines",
    "numbers",
    "read_calibration",
    "read_labels",
    "read_oxts",
]

# Keys as we call them, with what files call them.
SPELLINGS = {
    "P2": ("P2",),
    "P3": ("P3",),
    "R_rect": ("R_rect", "R0_rect"),
    "Tr_velo_cam": ("Tr_velo_cam", "Tr_velo_to_cam"),
    "Tr_imu_velo": ("Tr_imu_velo", "Tr_imu_to_velo"),
}
DONT_CARE = "DontCare"
# Fields of a label, and of one that a tracker wrote, which ends with a score.
LABEL_FIELDS = (17, 18)
OXTS_FIELDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How the cameras of a sequence sit and see."""

    left: Float[np.ndarray, "3 4"]
    """Projection of the left color camera (P2), from the rectified reference frame to pixels."""
    right: Float[np.ndarray, "3 4"]
    """Projection of the right color camera (P3)."""
    rectification: Float[np.ndarray, "4 4"]
    """From the reference camera to its rectified frame."""
    velodyne_to_camera: Float[np.ndarray, "4 4"]
    """From the laser scanner to the reference camera."""
    imu_to_velodyne: Float[np.ndarray, "4 4"]
    """From the IMU to the laser scanner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One object in one frame, in the rectified reference camera frame (x right, y down, z forward)."""

    frame: int
    track: int
    type: str
    size: tuple[float, float, float]
    """Length, height and width, in meters; files have them in another order."""
    bottom: tuple[float, float, float]
    """Middle of the underside of the box."""
    rotation_y_rad: float
    line: int
    """Where it stands in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """All labels of a sequence, in the order of the file."""

    rows: tuple[Label, ...]
    passed_over: Mapping[str, int]
    """How many labels there are of each type that was not asked for."""


def read_calibration(path: Path) -> Calibration:
    """Read the calibration of a sequence, in either spelling.

    Raises:
        DataError: The file is missing, a key is missing, or a value is no matrix of its size.
    """
    found: dict[str, Float[np.ndarray, " values"]] = {}
    for line, text in numbered_lines(path):
        key, *values = text.split()
        found[key.rstrip(":")] = numbers(path, line, values, key.rstrip(":"))
    matrices = {key: _matrix(path, found, key, spellings) for key, spellings in SPELLINGS.items()}
    return Calibration(
        left=matrices["P2"],
        right=matrices["P3"],
        rectification=_homogeneous(matrices["R_rect"]),
        velodyne_to_camera=_homogeneous(matrices["Tr_velo_cam"]),
        imu_to_velodyne=_homogeneous(matrices["Tr_imu_velo"]),
    )


def read_oxts(path: Path) -> Float[np.ndarray, "frames 6"]:
    """Read latitude, longitude (degrees), altitude (meters), roll, pitch and yaw (radians) of each frame.

    Raises:
        DataError: The file is missing, empty, or a line has too few numbers.
    """
    rows = []
    for line, text in numbered_lines(path):
        values = text.split()
        if len(values) < OXTS_FIELDS:
            raise DataError(
                f"{path}:{line}: has {len(values)} numbers; it must begin with latitude, longitude, altitude, roll, "
                "pitch and yaw"
            )
        rows.append(numbers(path, line, values[:OXTS_FIELDS], "this line"))
    if not rows:
        raise DataError(f"{path}: is empty; it must have one line for each frame")
    return np.stack(rows)


def read_labels(path: Path, types: Sequence[str]) -> Labels:
    """Read the labels of the types that are asked for; what is marked as DontCare is no object.

    Raises:
        DataError: The file is missing, a line has too few or too many fields, a field is no number, a box has no size,
            or a track is in a frame twice.
    """
    rows: list[Label] = []
    others: Counter[str] = Counter()
    seen: dict[tuple[int, int], int] = {}
    for line, text in numbered_lines(path):
        label = _label(path, line, text.split())
        if label.type == DONT_CARE or label.track < 0:
            continue
        earlier = seen.setdefault((label.frame, label.track), line)
        if earlier != line:
            raise DataError(f"{path}:{line}: track {label.track} is in frame {label.frame} already, in line {earlier}")
        if label.type in types:
            rows.append(_with_size(path, label))
        else:
            others[label.type] += 1
    return Labels(rows=tuple(rows), passed_over=dict(others))


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each line of a text file that is not blank, with its number.

    Raises:
        DataError: The file is missing or no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the file cannot be read ({reason_of(error)})") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line


def numbers(path: Path, line: int, values: Sequence[str], name: str) -> Float[np.ndarray, " values"]:
    """Return the numbers of a line.

    Raises:
        DataError: One is not a finite number.
    """
    found = []
    for value in values:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise DataError(f"{path}:{line}: '{value}' in {name} is not a finite number")
        found.append(number)
    return np.array(found, dtype=np.float64)


def _matrix(
    path: Path, found: Mapping[str, Float[np.ndarray, " values"]], key: str, spellings: Sequence[str]
) -> Float[np.ndarray, "3 columns"]:
    present = [spelling for spelling in spellings if spelling in found]
    if not present:
        also = f" (also spelled {spellings[1]})" if spellings[1:] else ""
        raise DataError(f"{path}: has no {key}{also}; it has {', '.join(found) or 'nothing'}")
    values = found[present[0]]
    wanted = 9 if key == "R_rect" else 12
    if len(values) != wanted:
        raise DataError(f"{path}: {present[0]} has {len(values)} numbers; it must have {wanted}")
    return values.reshape(3, -1)


def _homogeneous(matrix: Float[np.ndarray, "3 columns"]) -> Float[np.ndarray, "4 4"]:
    whole = np.eye(4)
    whole[:3, : matrix.shape[1]] = matrix
    return whole


def _label(path: Path, line: int, fields: Sequence[str]) -> Label:
    if len(fields) not in LABEL_FIELDS:
        raise DataError(
            f"{path}:{line}: has {len(fields)} fields; a label has 17 (frame, track, type, truncated, occluded, alpha, "
            "4 of the image box, 3 sizes, 3 of the position, rotation), and 18 with a score"
        )
    values = numbers(path, line, [fields[index] for index in (0, 1, *range(10, 17))], "this line")
    if values[0] != int(values[0]) or values[1] != int(values[1]) or values[0] < 0:
        raise DataError(f"{path}:{line}: frame and track must be whole numbers, not {fields[0]} and {fields[1]}")
    height, width, length = values[2:5].tolist()
    return Label(
        frame=int(values[0]),
        track=int(values[1]),
        type=fields[2],
        size=(length, height, width),
        bottom=(float(values[5]), float(values[6]), float(values[7])),
        rotation_y_rad=float(values[8]),
        line=line,
    )


def _with_size(path: Path, label: Label) -> Label:
    if min(label.size) <= 0:
        raise DataError(
            f"{path}:{label.line}: the box of track {label.track} has no size: its three sides must be positive"
        )
    return label
