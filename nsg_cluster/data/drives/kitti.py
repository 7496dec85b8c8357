"""A sequence of the KITTI tracking benchmark: poses from GPS and IMU, boxes from labels, images of two color cameras.

``exact`` uses the calibration as it is meant. ``nsg_compat`` repeats what the weights of Neural Scene Graphs were
trained with: the principal point in the middle of the image, cameras turned by hand-tuned angles that stand in for it,
and labels taken for unrectified. World axes are those of Virtual KITTI: x forward, y down, z to the left of the first
IMU frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int16
from torch import Tensor

from nsg_cluster.config.driving import KittiData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.camera_files import black_images, cropped, image_size, missing_advice, read_cropped
from nsg_cluster.data.drives.drive import Drive, Observation, Pictures, camera_indices, drive_scene, tracks_of
from nsg_cluster.data.drives.kitti_files import Calibration, Label, Labels, read_calibration, read_labels, read_oxts
from nsg_cluster.data.drives.protocols import chosen_frames
from nsg_cluster.data.drives.truth_maps import read_depths, read_tracks
from nsg_cluster.data.drives.turns import about_x, about_y, about_z, rigid_inverse
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import Cameras

__all__ = [
    "KittiFiles",
    "camera_poses",
    "imu_poses",
    "kitti_files",
    "kitti_images",
    "load_kitti",
    "read_kitti",
    "reference_poses",
]

EARTH_RADIUS_M = 6378137.0
# Yaw, pitch and roll by which the original turns its cameras, in degrees.
NSG_TURNS_DEG = {"0001": (0.5, -0.5, 0.75), "0002": (0.7, -0.5, 0.9)}
NSG_TURN_DEG = (0.05, -0.75, 1.05)
# KITTI's camera looks along +z with y down, OpenGL's along -z with y up.
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
# (x, y, z) of the IMU's world to (x, -z, y) of ours.
WORLD_AXES = np.array([[1.0, 0, 0, 0], [0, 0, -1.0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]])
# Pixel centers have whole coordinates in KITTI's calibration, and halves in ours.
HALF_PIXEL = 0.5
# As in KITTI's benchmarks of depth and of MOTS: 1/256 m with 0 for none, and 1000 times the class (car, pedestrian)
# plus the track.
METERS_OF_UNIT, NO_DEPTH = 1.0 / 256.0, 0
MOTS_CLASS, MOTS_CLASSES = 1000, (1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class KittiFiles:
    """Where the files of a sequence are."""

    folder: Path
    """The one that holds ``calib``, ``oxts``, ``label_02``, ``image_02`` and ``image_03``."""
    sequence: str

    @property
    def calibration(self) -> Path:
        """Calibration of the cameras."""
        return self.folder / "calib" / f"{self.sequence}.txt"

    @property
    def oxts(self) -> Path:
        """GPS and IMU of each frame."""
        return self.folder / "oxts" / f"{self.sequence}.txt"

    @property
    def labels(self) -> Path:
        """Boxes of objects."""
        return self.folder / "label_02" / f"{self.sequence}.txt"

    def images(self, camera: int) -> Path:
        """Return the folder of the images of a camera, left 0 or right 1."""
        return self.folder / f"image_0{camera + 2}" / self.sequence

    def image(self, camera: int, frame: int) -> Path:
        """Return the image of a camera in a frame, PNG or JPEG."""
        found = self.images(camera) / f"{frame:06d}.png"
        photo = found.with_suffix(".jpg")
        return photo if not found.is_file() and photo.is_file() else found

    def truth(self, kind: str, camera: int, frame: int) -> Path:
        """Return what lies beside an image, though KITTI has it not: ``depth``, or tracks (``instances``)."""
        return self.folder / f"{kind}_0{camera + 2}" / self.sequence / f"{frame:06d}.png"


def load_kitti(config: KittiData, *, with_images: bool = True) -> Scene:
    """Read a sequence.

    Args:
        config: Which one, and what of it.
        with_images: Without them they are black and take no memory: enough to render.

    Raises:
        DataError: A file is missing or broken, or frames are beyond the end.
    """
    drive = read_kitti(config)
    files = kitti_images(config, drive)

    def look(views: Sequence[int]) -> Pictures:
        chosen = [files[view] for view in views]
        if not with_images:
            return Pictures(images=black_images(len(views), drive.cameras.width, drive.cameras.height))
        numbers = [drive.frame_numbers[moment] for moment in drive.moments[list(views)].tolist()]
        if advice := missing_advice(chosen, numbers):
            raise DataError(f"sequence {config.sequence}: {advice}")
        depth, instances = _truth(config, drive, views)
        return Pictures(images=read_cropped(chosen, config.downsample), depth=depth, instances=instances)

    return drive_scene(drive, config, look)


def _truth(
    config: KittiData, drive: Drive, views: Sequence[int]
) -> tuple[Float[Tensor, "images height width"] | None, Int16[Tensor, "images height width"] | None]:
    """Return depth and tracks of views, those that are there and asked for."""
    paths, factor, depth, instances = kitti_files(config), config.downsample, None, None

    def files(kind: str) -> list[Path]:
        moments, ids = drive.moments.tolist(), drive.camera_ids.tolist()
        return [paths.truth(kind, ids[view], drive.frame_numbers[moments[view]]) for view in views]

    if config.depth:
        cameras = drive.cameras[torch.tensor(list(views))]
        depth = read_depths(files("depth"), cameras, factor=factor, unit=METERS_OF_UNIT, none=NO_DEPTH)
    if config.segmentation:
        numbers = {
            MOTS_CLASS * number + track: index
            for index, track in enumerate(drive.tracks.ids)
            if track < MOTS_CLASS
            for number in MOTS_CLASSES
        }
        instances = read_tracks(files("instances"), numbers, factor=factor)
    return depth, instances


def read_kitti(config: KittiData) -> Drive:
    """Read cameras and objects of a sequence, in double precision.

    Raises:
        DataError: A text file is missing or broken, frames are beyond the end, or the size of the images is unknown.
    """
    paths = kitti_files(config)
    _refuse_unknown(paths)
    calibration, oxts = read_calibration(paths.calibration), read_oxts(paths.oxts)
    labels = read_labels(paths.labels, list(config.classes))
    numbers = chosen_frames(config, len(oxts))
    imu = imu_poses(oxts, origin=numbers[0] if config.origin == "selection" else 0)
    _refuse_beyond(paths.labels, labels, len(oxts))
    reference = reference_poses(imu, calibration)
    exact = config.geometry == "exact"
    labeled = reference @ rigid_inverse(calibration.rectification) if exact else reference
    observations = [_observation(label, labeled[label.frame], config) for label in labels.rows]
    tracks, notes = tracks_of(observations, numbers, config)
    ids = camera_indices(config.cameras)
    files = [paths.image(camera, frame) for camera in ids for frame in numbers]
    size = image_size(files, config.image_size, where=f"sequence {config.sequence}")
    return Drive(
        cameras=cropped(_cameras(config, calibration, reference[list(numbers)], ids, size), config.downsample),
        camera_ids=torch.tensor([camera for camera in ids for _ in numbers]),
        frame_numbers=numbers,
        tracks=tracks,
        notes=(*_passed_over(labels), *notes),
    )


def kitti_images(config: KittiData, drive: Drive) -> list[Path]:
    """Return the image file of each view of a drive."""
    paths = kitti_files(config)
    return [
        paths.image(camera, drive.frame_numbers[moment])
        for camera, moment in zip(drive.camera_ids.tolist(), drive.moments.tolist(), strict=True)
    ]


def imu_poses(oxts: Float[np.ndarray, "frames 6"], *, origin: int = 0) -> Float[np.ndarray, "frames 4 4"]:
    """Return the pose of the IMU at each frame relative to that at one of them (x forward, y left, z up).

    Latitude and longitude become meters by a Mercator projection whose scale is that of the first frame, as in the
    devkit of KITTI raw.
    """
    latitude, longitude, altitude, roll, pitch, yaw = oxts.T
    scale = math.cos(math.radians(latitude[0]))
    poses = np.tile(np.eye(4), (len(oxts), 1, 1))
    poses[:, :3, :3] = about_z(yaw) @ about_y(pitch) @ about_x(roll)
    poses[:, 0, 3] = scale * EARTH_RADIUS_M * np.radians(longitude)
    poses[:, 1, 3] = scale * EARTH_RADIUS_M * np.log(np.tan(np.pi * (90.0 + latitude) / 360.0))
    poses[:, 2, 3] = altitude
    relative: np.ndarray = rigid_inverse(poses[origin]) @ poses
    return relative


def kitti_files(config: KittiData) -> KittiFiles:
    """Return where the files of a sequence are; the root may be that of the data set or its training folder.

    Raises:
        DataError: There is no such folder.
    """
    root = Path(config.root)
    if not root.is_dir():
        raise DataError(
            f"data.root: there is no folder '{root}': set it to the folder that holds training/ of the KITTI tracking "
            "benchmark"
        )
    folder = root / "training" if (root / "training").is_dir() else root
    return KittiFiles(folder=folder, sequence=config.sequence)


def _cameras(
    config: KittiData,
    calibration: Calibration,
    reference: Float[np.ndarray, "frames 4 4"],
    ids: Sequence[int],
    size: tuple[int, int],
) -> Cameras:
    projections = [(calibration.left, calibration.right)[camera] for camera in ids]
    exact = config.geometry == "exact"
    turned = calibration.rectification if exact else calibration.rectification @ _nsg_turn(config)
    poses = [camera_poses(reference, turned, projection) for projection in projections]
    frames = len(reference)
    return Cameras(
        camera_to_world=torch.from_numpy(np.concatenate(poses)),
        focal_px=_each(frames, [(p[0, 0], p[1, 1]) if exact else (calibration.left[0, 0],) * 2 for p in projections]),
        center_px=_each(frames, [(p[0, 2], p[1, 2]) if exact else _middle(size) for p in projections]) + HALF_PIXEL,
        width=size[0],
        height=size[1],
        frames=torch.arange(frames).repeat(len(ids)),
    )


def reference_poses(imu: Float[np.ndarray, "frames 4 4"], calibration: Calibration) -> Float[np.ndarray, "frames 4 4"]:
    """Return the poses of the reference camera (x right, y down, z forward) in the world of the IMU."""
    to_velodyne, to_camera = rigid_inverse(calibration.imu_to_velodyne), rigid_inverse(calibration.velodyne_to_camera)
    poses: np.ndarray = imu @ to_velodyne @ to_camera
    return poses


def camera_poses(
    reference: Float[np.ndarray, "frames 4 4"],
    rectification: Float[np.ndarray, "4 4"],
    projection: Float[np.ndarray, "3 4"],
) -> Float[np.ndarray, "frames 3 4"]:
    """Return the poses of a color camera (x right, y up, looking along -z) in our world."""
    inverse = rigid_inverse(rectification) @ rigid_inverse(_offset(projection))
    poses: np.ndarray = (WORLD_AXES @ reference @ inverse @ OPENGL)[:, :3]
    return poses


def _each(frames: int, values: Sequence[tuple[float, float]]) -> torch.Tensor:
    """Return a value of each camera once for each frame."""
    return torch.tensor(values, dtype=torch.float64).repeat_interleave(frames, dim=0)


def _middle(size: tuple[int, int]) -> tuple[float, float]:
    return (0.5 * size[0], 0.5 * size[1])


def _offset(projection: Float[np.ndarray, "3 4"]) -> Float[np.ndarray, "4 4"]:
    """Return the translation from the rectified reference frame to that of a camera."""
    offset = np.eye(4)
    offset[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
    return offset


def _nsg_turn(config: KittiData) -> Float[np.ndarray, "4 4"]:
    yaw, pitch, roll = np.radians(config.camera_turn_deg or NSG_TURNS_DEG.get(config.sequence, NSG_TURN_DEG))
    turn = np.eye(4)
    turn[:3, :3] = about_z(yaw) @ about_y(pitch) @ about_x(roll)
    return turn


def _observation(label: Label, camera_to_world: Float[np.ndarray, "4 4"], config: KittiData) -> Observation:
    """Return where an object is in the world; in ``nsg_compat`` it stands upright there."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = about_y(label.rotation_y_rad), label.bottom
    world = WORLD_AXES @ camera_to_world @ pose
    half_height = 0.5 * label.size[1]
    if config.geometry == "nsg_compat":
        yaw = -math.atan2(world[2, 0], world[0, 0])
        upright = np.eye(4)
        upright[:3, :3], upright[:3, 3] = about_y(yaw), world[:3, 3]
        world = upright
    world[:3, 3] -= half_height * world[:3, 1]
    return Observation(
        frame=label.frame,
        track=label.track,
        class_name=config.classes[label.type],
        size=label.size,
        object_to_world=world[:3],
    )


def _refuse_unknown(paths: KittiFiles) -> None:
    there = sorted(path.stem for path in paths.calibration.parent.glob("*.txt"))
    if there and paths.sequence not in there:
        raise DataError(
            f"data.sequence: there is no sequence '{paths.sequence}' in {paths.folder}, which has {', '.join(there)}"
        )


def _refuse_beyond(path: Path, labels: Labels, frames: int) -> None:
    for label in labels.rows:
        if label.frame >= frames:
            raise DataError(
                f"{path}:{label.line}: frame {label.frame} is beyond the last one of the oxts file, {frames - 1}; "
                "do both belong to the same sequence?"
            )


def _passed_over(labels: Labels) -> tuple[str, ...]:
    if not labels.passed_over:
        return ()
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(labels.passed_over.items()))
    return (f"labels of types that data.classes does not name, and that belong to the background: {listed}",)
