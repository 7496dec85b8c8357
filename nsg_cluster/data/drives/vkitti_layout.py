"""Writes a drive in the layout of Virtual KITTI 2: folders, file names and text formats."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from jaxtyping import Float, Int, UInt8

from nsg_cluster.core.files import write_atomic
from nsg_cluster.data.drives.vkitti import METERS_OF_UNIT, NO_DEPTH, VKittiFiles
from nsg_cluster.data.drives.vkitti_files import PoseRow

__all__ = [
    "ObjectRow",
    "write_cameras",
    "write_classes",
    "write_depth",
    "write_instances",
    "write_objects",
    "write_rgb",
]

HEADERS = {
    "intrinsic": "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]",
    "extrinsic": "frame cameraID r1,1 r1,2 r1,3 t1 r2,1 r2,2 r2,3 t2 r3,1 r3,2 r3,3 t3 0 0 0 1",
    "pose": (
        "frame cameraID trackID alpha width height length world_space_X world_space_Y world_space_Z "
        "rotation_world_space_y rotation_world_space_x rotation_world_space_z camera_space_X camera_space_Y "
        "camera_space_Z rotation_camera_space_y rotation_camera_space_x rotation_camera_space_z"
    ),
    "bbox": ("frame cameraID trackID left right top bottom number_pixels truncation_ratio occupancy_ratio isMoving"),
    "info": "trackID label model color",
    "colors": "Category r g b",
}
CLASS_COLORS = {
    "Terrain": (210, 0, 200),
    "Sky": (90, 200, 255),
    "Tree": (0, 199, 0),
    "Vegetation": (90, 240, 0),
    "Building": (140, 140, 140),
    "Road": (100, 60, 100),
    "GuardRail": (250, 100, 255),
    "TrafficSign": (255, 255, 0),
    "TrafficLight": (200, 200, 0),
    "Pole": (255, 130, 0),
    "Misc": (80, 80, 80),
    "Truck": (160, 60, 60),
    "Car": (255, 127, 80),
    "Van": (0, 139, 139),
}
# What a palette looks like in a viewer; readers take the indices.
PALETTE = np.random.default_rng(2).integers(40, 256, (256, 3), dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRow:
    """An object that a camera sees in a frame, and what only its files tell."""

    pose: PoseRow
    alpha_rad: float
    camera_bottom: tuple[float, float, float]
    """Middle of the underside in the frame of the camera (x right, y down, z forward)."""
    camera_turn_rad: tuple[float, float, float]
    """Turns about y, x and z of the camera."""
    image_box: tuple[int, int, int, int]
    """Left, right, top and bottom, in pixels."""
    pixels: int
    """Pixels that show the object."""
    truncation: float
    """Share of the object's box that lies beyond the image."""
    occupancy: float
    """Share of the visible box that shows the object."""
    is_moving: bool


def write_cameras(
    files: VKittiFiles,
    views: Sequence[tuple[int, int]],
    intrinsics: Float[np.ndarray, "views 4"],
    world_to_camera: Float[np.ndarray, "views 4 4"],
) -> None:
    """Write fx, fy, cx, cy and the map from the world (y down) to the camera (y down) of each frame and camera."""
    rows = [f"{frame} {camera} {_joined(values)}" for (frame, camera), values in zip(views, intrinsics, strict=True)]
    _write(files, "intrinsic", rows)
    maps = world_to_camera.reshape(len(views), 16)
    _write(
        files,
        "extrinsic",
        [f"{frame} {camera} {_joined(values)}" for (frame, camera), values in zip(views, maps, strict=True)],
    )


def write_objects(files: VKittiFiles, rows: Iterable[ObjectRow], labels: Mapping[int, tuple[str, str, str]]) -> None:
    """Write where objects are, and the label, model and color of each track."""
    ordered = sorted(rows, key=lambda row: (row.pose.frame, row.pose.camera, row.pose.track))
    _write(files, "pose", [_pose_line(row) for row in ordered])
    _write(files, "bbox", [_box_line(row) for row in ordered])
    _write(files, "info", [f"{track} {' '.join(words)}" for track, words in sorted(labels.items())])


def write_rgb(files: VKittiFiles, camera: int, frame: int, image: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write an image as JPEG of high quality."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, format="JPEG", quality=97, subsampling=0)
    _write_image(files.image("rgb", camera, frame), buffer)


def write_depth(files: VKittiFiles, camera: int, frame: int, meters: Float[np.ndarray, "height width"]) -> None:
    """Write distances along the axis of the camera, infinite for none, in centimeters of 16 bits."""
    units = np.where(np.isfinite(meters), np.rint(meters / METERS_OF_UNIT), NO_DEPTH)
    _write_png(files.image("depth", camera, frame), PIL.Image.fromarray(np.minimum(units, NO_DEPTH).astype(np.uint16)))


def write_instances(files: VKittiFiles, camera: int, frame: int, tracks: Int[np.ndarray, "height width"]) -> None:
    """Write which track each pixel shows, -1 for none, as palette indices: its number plus one.

    Raises:
        ValueError: A track has a number that no palette has.
    """
    if tracks.max(initial=-1) > 254:
        raise ValueError(f"track {tracks.max()} does not fit a palette of 8 bits")
    image = PIL.Image.fromarray((tracks + 1).astype(np.uint8), mode="P")
    image.putpalette(PALETTE.tobytes())
    _write_png(files.image("instanceSegmentation", camera, frame), image)


def write_classes(
    files: VKittiFiles, camera: int, frame: int, classes: Int[np.ndarray, "height width"], names: Sequence[str]
) -> None:
    """Write the class of each pixel, an index of the names, as a color of ``colors.txt``, which is written as well."""
    if not files.table("colors").is_file():
        _write(files, "colors", [f"{name} {red} {green} {blue}" for name, (red, green, blue) in CLASS_COLORS.items()])
    colors = np.array([CLASS_COLORS[name] for name in names], dtype=np.uint8)
    _write_png(files.image("classSegmentation", camera, frame), PIL.Image.fromarray(colors[classes]))


def _pose_line(row: ObjectRow) -> str:
    pose = row.pose
    length, height, width = pose.size
    values = [row.alpha_rad, width, height, length, *pose.bottom, *pose.turn_rad, *row.camera_bottom]
    return f"{pose.frame} {pose.camera} {pose.track} {_joined([*values, *row.camera_turn_rad])}"


def _box_line(row: ObjectRow) -> str:
    shares = f"{row.truncation:.7g} {row.occupancy:.7g} {row.is_moving}"
    box = " ".join(map(str, row.image_box))
    return f"{row.pose.frame} {row.pose.camera} {row.pose.track} {box} {row.pixels} {shares}"


def _joined(values: Iterable[float]) -> str:
    return " ".join(f"{value:.10g}" for value in values)


def _write(files: VKittiFiles, name: str, rows: Sequence[str]) -> None:
    files.folder.mkdir(parents=True, exist_ok=True)
    write_atomic(files.table(name), "\n".join([HEADERS[name], *rows]) + "\n")


def _write_png(path: Path, image: PIL.Image.Image) -> None:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    _write_image(path, buffer)


def _write_image(path: Path, buffer: io.BytesIO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, buffer.getvalue())
