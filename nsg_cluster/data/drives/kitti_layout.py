"""Writes a drive in the layout of the KITTI tracking benchmark: folders, file names and text formats.

Poses are written as GPS and IMU, from which they are read back; so the first one must be the origin of the world.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from nsg_cluster.core.errors import DataError
from nsg_cluster.core.files import write_atomic
from nsg_cluster.data.drives.kitti import EARTH_RADIUS_M, KittiFiles
from nsg_cluster.data.drives.kitti_files import Calibration, Label
from nsg_cluster.data.images import encode_png

__all__ = ["LabelRow", "copy_texts", "label_line", "write_calibration", "write_image", "write_labels", "write_oxts"]

# Where a drive that is nowhere begins: latitude, longitude in degrees.
SOMEWHERE = (49.0, 8.4)
# Numbers of a line of oxts beyond the six that say where and how the car is.
REST_OF_OXTS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """A label, and what only its file tells."""

    label: Label
    image_box: tuple[float, float, float, float]
    """Left, top, right and bottom in the left image, in pixels."""
    alpha_rad: float
    """Turn of the object against the ray to it."""
    truncated: int = 0
    occluded: int = 0


def write_calibration(files: KittiFiles, calibration: Calibration) -> None:
    """Write a calibration, spelled as in the tracking benchmark."""
    gray = calibration.left.copy()
    gray[:, 3] = 0.0
    rows = {
        "P0:": gray,
        "P1:": gray,
        "P2:": calibration.left,
        "P3:": calibration.right,
        "R_rect": calibration.rectification[:3, :3],
        "Tr_velo_cam": calibration.velodyne_to_camera[:3],
        "Tr_imu_velo": calibration.imu_to_velodyne[:3],
    }
    text = "".join(f"{key} {' '.join(f'{value:.12e}' for value in rows[key].flatten())}\n" for key in rows)
    _write(files.calibration, text)


def write_oxts(files: KittiFiles, poses: Float[np.ndarray, "frames 4 4"]) -> None:
    """Write the pose of the IMU at each frame relative to the first (x forward, y left, z up)."""
    latitude0, longitude0 = SOMEWHERE
    scale = math.cos(math.radians(latitude0)) * EARTH_RADIUS_M
    north0 = math.log(math.tan(math.pi * (90.0 + latitude0) / 360.0))
    lines = []
    for pose in poses:
        rotation, (east, north, up) = pose[:3, :3], pose[:3, 3]
        latitude = math.degrees(2.0 * math.atan(math.exp(north0 + north / scale))) - 90.0
        longitude = longitude0 + math.degrees(east / scale)
        roll = math.atan2(rotation[2, 1], rotation[2, 2])
        pitch = -math.asin(rotation[2, 0])
        yaw = math.atan2(rotation[1, 0], rotation[0, 0])
        place = [latitude, longitude, up, roll, pitch, yaw]
        lines.append(" ".join([*(f"{value:.17g}" for value in place), *["0"] * REST_OF_OXTS]))
    _write(files.oxts, "\n".join(lines) + "\n")


def write_labels(files: KittiFiles, rows: Iterable[LabelRow]) -> None:
    """Write the labels of a sequence, frame by frame."""
    ordered = sorted(rows, key=lambda row: (row.label.frame, row.label.track))
    _write(files.labels, "".join(label_line(row) + "\n" for row in ordered))


def label_line(row: LabelRow) -> str:
    """Return a label as a line of 17 fields."""
    label = row.label
    length, height, width = label.size
    numbers = [row.alpha_rad, *row.image_box, height, width, length, *label.bottom, label.rotation_y_rad]
    head = f"{label.frame} {label.track} {label.type} {row.truncated} {row.occluded}"
    return " ".join([head, *(f"{number:.9f}" for number in numbers)])


def write_image(files: KittiFiles, camera: int, frame: int, image: UInt8[np.ndarray, "height width 3"]) -> Path:
    """Write the image of a camera, left 0 or right 1, in a frame, and return its path."""
    path = files.images(camera) / f"{frame:06d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, encode_png(image))
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)


def copy_texts(source: KittiFiles, target: KittiFiles) -> None:
    """Copy calibration, oxts and labels of a sequence, beside which images of its cameras can be written.

    Raises:
        DataError: One is missing.
    """
    pairs = {
        source.calibration: target.calibration,
        source.oxts: target.oxts,
        source.labels: target.labels,
    }
    for old, new in pairs.items():
        try:
            _write(new, old.read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"{old}: cannot be read: {error.strerror}") from None
