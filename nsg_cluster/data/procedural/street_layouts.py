"""Writes a procedural street as a sequence of KITTI tracking or a scene of Virtual KITTI 2, with all of its truth.

KITTI's layout has no place for depth and masks; they are written beside the images in the formats that its depth and
its MOTS benchmark use: ``depth_02/0000/000000.png`` of 1/256 m with 0 for none, and ``instances_02/0000/000000.png``
of 1000 * class + track.
"""

from __future__ import annotations

import io
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
from jaxtyping import Float, UInt16

from nsg_cluster.config.driving import StreetData
from nsg_cluster.core.files import write_atomic
from nsg_cluster.data.drives.box_views import BoxView, view_of
from nsg_cluster.data.drives.kitti import (
    METERS_OF_UNIT,
    NO_DEPTH,
    OPENGL,
    WORLD_AXES,
    KittiFiles,
    reference_poses,
)
from nsg_cluster.data.drives.kitti_files import Label
from nsg_cluster.data.drives.kitti_layout import LabelRow, write_calibration, write_image, write_labels, write_oxts
from nsg_cluster.data.drives.turns import rigid_inverse
from nsg_cluster.data.drives.vkitti import VKittiFiles
from nsg_cluster.data.drives.vkitti_files import PoseRow
from nsg_cluster.data.drives.vkitti_layout import (
    ObjectRow,
    write_cameras,
    write_classes,
    write_depth,
    write_instances,
    write_objects,
    write_rgb,
)
from nsg_cluster.data.procedural.scenery import CLASS_NAMES
from nsg_cluster.data.procedural.street import Mover, Street, make_street
from nsg_cluster.data.procedural.street_images import Shot

__all__ = ["write_street_as_kitti", "write_street_as_vkitti"]

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0
# What MOTS calls a car; there is no other vehicle in it.
MOTS_CAR = 1000
NOT_IN_IMAGE = (-1.0, -1.0, -1.0, -1.0)


def write_street_as_kitti(config: StreetData, files: KittiFiles) -> None:
    """Write a street as a sequence of KITTI tracking.

    Raises:
        RunError: A file cannot be written.
    """
    street = make_street(config.model_copy(update={"cameras": "both"}))
    write_calibration(files, street.calibration)
    write_oxts(files, street.imu)
    write_labels(files, _labels(street))
    for camera, frame, shot in _shots(street):
        write_image(files, camera, frame, shot.image)
        depth = np.rint(shot.distance * _along_axis(street, camera, frame) / METERS_OF_UNIT)
        depths = np.where(depth < 1 << 16, depth, NO_DEPTH).astype(np.uint16)
        _write_truth(files.truth("depth", camera, frame), depths)
        tracks = np.where(shot.tracks >= 0, MOTS_CAR + shot.tracks, 0).astype(np.uint16)
        _write_truth(files.truth("instances", camera, frame), tracks)


def write_street_as_vkitti(config: StreetData, files: VKittiFiles) -> None:
    """Write a street as a variant of a scene of Virtual KITTI 2.

    Raises:
        RunError: A file cannot be written.
    """
    street = make_street(config.model_copy(update={"cameras": "both"}))
    rows: list[ObjectRow] = []
    for camera, frame, shot in _shots(street):
        write_rgb(files, camera, frame, shot.image)
        write_depth(files, camera, frame, shot.distance * _along_axis(street, camera, frame))
        write_instances(files, camera, frame, shot.tracks)
        write_classes(files, camera, frame, shot.classes, CLASS_NAMES)
        rows += _object_rows(street, camera, frame, shot)
    views = [(frame, camera) for frame in range(config.frames) for camera in (0, 1)]
    left = street.calibration.left
    inside = np.tile([left[0, 0], left[1, 1], left[0, 2], left[1, 2]], (len(views), 1))
    outside = np.stack([_world_to_camera(street, camera, frame) for frame, camera in views])
    write_cameras(files, views, inside, outside)
    labels = {mover.track: (mover.vehicle.label, mover.vehicle.model, mover.vehicle.color) for mover in street.movers}
    write_objects(files, rows, labels)


def _shots(street: Street) -> Iterator[tuple[int, int, Shot]]:
    """Trace every view and say how far that is."""
    said, total = time.monotonic(), len(street.drive.cameras)
    for view in range(total):
        yield (
            int(street.drive.camera_ids[view]),
            int(street.drive.moments[view]),
            street.images.shoot(street.drive, view),
        )
        if time.monotonic() - said > SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            log.info("traced %d of %d images", view + 1, total)


def _view(street: Street, camera: int, frame: int) -> int:
    return camera * len(street.drive.frame_numbers) + frame


def _along_axis(street: Street, camera: int, frame: int) -> Float[np.ndarray, "height width"]:
    """Return by how much the way along the axis of a camera is shorter than that along the ray of each pixel."""
    cameras, view = street.drive.cameras, _view(street, camera, frame)
    (fx, fy), (cx, cy) = cameras.focal_px[view].tolist(), cameras.center_px[view].tolist()
    rows, columns = np.mgrid[: cameras.height, : cameras.width] + 0.5
    shorter: np.ndarray = 1.0 / np.sqrt(1.0 + ((columns - cx) / fx) ** 2 + ((rows - cy) / fy) ** 2)
    return shorter


def _write_truth(path: Path, values: UInt16[np.ndarray, "height width"]) -> None:
    """Write a 16-bit image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    PIL.Image.fromarray(values).save(buffer, format="PNG")
    write_atomic(path, buffer.getvalue())


def _seen(street: Street, mover: Mover, camera: int, frame: int) -> BoxView | None:
    view = _view(street, camera, frame)
    return view_of(street.drive.cameras, view, mover.box_pose(frame), mover.vehicle.size)


def _labels(street: Street) -> Iterator[LabelRow]:
    """Yield a label for each vehicle that a camera has in view, in the rectified reference camera frame."""
    reference = reference_poses(street.imu, street.calibration) @ rigid_inverse(street.calibration.rectification)
    for mover in street.movers:
        for frame, pose in enumerate(reference):
            views = [_seen(street, mover, camera, frame) for camera in (0, 1)]
            if not any(views):
                continue
            bottom, rotation_y = _in_camera(pose, mover, frame)
            yield LabelRow(
                label=Label(
                    frame=frame,
                    track=mover.track,
                    type=mover.vehicle.label,
                    size=mover.vehicle.size,
                    bottom=bottom,
                    rotation_y_rad=rotation_y,
                    line=0,
                ),
                image_box=views[0].rectangle if views[0] else NOT_IN_IMAGE,
                alpha_rad=rotation_y - math.atan2(bottom[0], bottom[2]),
                truncated=min(2, int(3 * views[0].truncated)) if views[0] else 2,
            )


def _in_camera(pose: Float[np.ndarray, "4 4"], mover: Mover, frame: int) -> tuple[tuple[float, float, float], float]:
    """Return the middle of a vehicle's underside and its turn about y in a camera (x right, y down, z forward).

    Args:
        pose: Of the camera in the IMU's world.
        mover: The vehicle.
        frame: The moment.
    """
    inverse = rigid_inverse(pose)
    x, y, z, _ = (inverse @ mover.poses[frame][:, 3]).tolist()
    forward = inverse[:3, :3] @ mover.poses[frame][:3, 0]
    return (x, y, z), math.atan2(-forward[2], forward[0])


def _world_to_camera(street: Street, camera: int, frame: int) -> Float[np.ndarray, "4 4"]:
    """Return the map from our world to a camera (x right, y down, z forward)."""
    pose = np.eye(4)
    pose[:3] = street.drive.cameras.camera_to_world[_view(street, camera, frame)].numpy()
    outside: np.ndarray = OPENGL @ rigid_inverse(pose)
    return outside


def _object_rows(street: Street, camera: int, frame: int, shot: Shot) -> Iterator[ObjectRow]:
    """Yield a row for each vehicle that a camera has in view."""
    in_imu_world = rigid_inverse(WORLD_AXES) @ rigid_inverse(_world_to_camera(street, camera, frame))
    for mover in street.movers:
        view = _seen(street, mover, camera, frame)
        if view is None:
            continue
        bottom, rotation_y = _in_camera(in_imu_world, mover, frame)
        world = WORLD_AXES @ mover.poses[frame]
        left, top, right, low = view.rectangle
        pixels = int((shot.tracks == mover.track).sum())
        x, y, z = world[:3, 3].tolist()
        yield ObjectRow(
            pose=PoseRow(
                frame=frame,
                camera=camera,
                track=mover.track,
                size=mover.vehicle.size,
                bottom=(x, y, z),
                turn_rad=(math.atan2(-world[2, 0], world[0, 0]), 0.0, 0.0),
            ),
            alpha_rad=rotation_y - math.atan2(bottom[0], bottom[2]),
            camera_bottom=bottom,
            camera_turn_rad=(rotation_y, 0.0, 0.0),
            image_box=(int(left), int(right), int(top), int(low)),
            pixels=pixels,
            truncation=view.truncated,
            occupancy=min(1.0, pixels / max(1.0, (right - left) * (low - top))),
            is_moving=mover.is_moving,
        )
