"""A procedural street: a car with two cameras drives along it, and others drive with it and towards it.

The truth is exact: color, depth, which vehicle each pixel shows, boxes and poses; also of a street that was edited. The
cameras sit as on KITTI's car, calibration included, so that the same drive can be written in its files. World axes of
the drive: x forward, y down, z left of the first IMU frame; solids stand in the IMU's axes, z up.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from nsg_cluster.config.driving import StreetData
from nsg_cluster.data.drives.box_views import view_of
from nsg_cluster.data.drives.camera_files import black_images
from nsg_cluster.data.drives.drive import Drive, Observation, Pictures, camera_indices, drive_scene, tracks_of
from nsg_cluster.data.drives.kitti import HALF_PIXEL, WORLD_AXES, camera_poses, reference_poses
from nsg_cluster.data.drives.kitti_files import Calibration
from nsg_cluster.data.drives.turns import about_y, about_z
from nsg_cluster.data.procedural.scenery import CLASS_NAMES, LEFT_LANE
from nsg_cluster.data.procedural.street_images import StreetImages
from nsg_cluster.data.procedural.vehicles import VEHICLES, Vehicle
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import Cameras

__all__ = ["CLASSES", "IMU_HEIGHT", "Mover", "Street", "load_street", "make_street"]

CLASSES = {"Car": "car", "Van": "van", "Truck": "truck"}
IMU_HEIGHT = 0.93
"""Height of the origin of the world above the ground."""
FOCAL_OF_WIDTH = 0.58
# The principal point of KITTI is off the middle by such shares of width and height.
OFF_CENTER = (-0.009, -0.038)
CAMERAS_AT = (0.06, -0.47)
EGO_SPEED = 0.6
# Place along the street, lane, heading (1 with us, -1 towards us), and speed in meters per frame of each vehicle.
PLANS = (
    (9.0, 0.0, 1, 0.75),
    (31.0, LEFT_LANE, -1, 0.7),
    (17.5, 0.0, 1, 0.75),
    (54.0, LEFT_LANE, -1, 0.5),
    (38.0, 0.0, 1, 0.75),
    (42.0, LEFT_LANE, -1, 0.6),
)
# How far vehicles swing to the sides, and how long a swing takes, in frames.
SWING_M, SWING_FRAMES = 0.25, 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """A vehicle on its way."""

    track: int
    vehicle: Vehicle
    poses: Float[np.ndarray, "frames 4 4"]
    """Of its own frame (underside, x forward, y left, z up) in the IMU's world, one for each moment."""
    is_moving: bool

    def box_pose(self, moment: int) -> Float[np.ndarray, "3 4"]:
        """Return the pose of its box in the world of the drive: middle, x forward, y down, z left."""
        axes = WORLD_AXES[:3, :3]
        pose = self.poses[moment]
        middle = axes @ (pose[:3, 3] + 0.5 * self.vehicle.size[1] * pose[:3, 2])
        return np.column_stack([axes @ pose[:3, :3] @ axes.T, middle])


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """Everything that a configuration says, before an image is traced."""

    calibration: Calibration
    imu: Float[np.ndarray, "frames 4 4"]
    movers: tuple[Mover, ...]
    drive: Drive
    images: StreetImages

    def look(self, views: Sequence[int]) -> Pictures:
        """Trace views of the drive, given by their indices."""
        shots = [self.images.shoot(self.drive, view) for view in views]
        height, width = self.drive.cameras.height, self.drive.cameras.width
        index = {track: position for position, track in enumerate(self.drive.tracks.ids)}
        instances = np.full((len(shots), height, width), -1, dtype=np.int16)
        for position, shot in enumerate(shots):
            for track, number in index.items():
                instances[position][shot.tracks == track] = number
        return Pictures(
            images=torch.from_numpy(np.stack([shot.image for shot in shots])),
            depth=torch.from_numpy(np.stack([shot.distance for shot in shots]).astype(np.float32)),
            instances=torch.from_numpy(instances),
            classes=torch.from_numpy(np.stack([shot.classes for shot in shots]).astype(np.int16)),
            class_names=CLASS_NAMES,
        )


@functools.lru_cache(maxsize=2)
def _traced(key: str) -> Scene:
    config = StreetData.model_validate_json(key)
    street = make_street(config)
    return drive_scene(street.drive, config, street.look)


def load_street(config: StreetData, *, with_images: bool = True) -> Scene:
    """Trace the street that a configuration describes; the same configuration always gives the same images.

    The streets made last are kept: training, evaluation and rendering of one task ask for them in turn.

    Args:
        config: What the street is like.
        with_images: Without them they are black and take no memory: enough to render.

    Raises:
        DataError: No moment would be held out.
    """
    if with_images:
        return _traced(config.model_dump_json())
    size = config.width, config.height
    return drive_scene(
        make_street(config).drive, config, lambda views: Pictures(images=black_images(len(views), *size))
    )


def make_street(config: StreetData) -> Street:
    """Return the street of a configuration, edits done; nothing is traced yet."""
    calibration, imu = _calibration(config), _ego(config)
    movers = _movers(config)
    reference = reference_poses(imu, calibration)
    ids = camera_indices(config.cameras)
    projections = [(calibration.left, calibration.right)[camera] for camera in ids]
    poses = [camera_poses(reference, calibration.rectification, projection) for projection in projections]
    views = len(ids) * config.frames
    cameras = Cameras(
        camera_to_world=torch.from_numpy(np.concatenate(poses)),
        focal_px=torch.full((views, 2), float(calibration.left[0, 0]), dtype=torch.float64),
        center_px=torch.tensor(calibration.left[:2, 2] + HALF_PIXEL).repeat(views, 1),
        width=config.width,
        height=config.height,
        frames=torch.arange(config.frames).repeat(len(ids)),
    )
    seen = _observations(movers, cameras, config)
    tracks, notes = tracks_of(seen, range(config.frames), config)
    drive = Drive(
        cameras=cameras,
        camera_ids=torch.tensor([camera for camera in ids for _ in range(config.frames)]),
        frame_numbers=tuple(range(config.frames)),
        tracks=tracks,
        notes=notes,
    )
    images = StreetImages(config, [(mover.track, mover.vehicle, mover.poses) for mover in movers], IMU_HEIGHT)
    return Street(calibration=calibration, imu=imu, movers=movers, drive=drive, images=images)


def _calibration(config: StreetData) -> Calibration:
    """Return a calibration like KITTI's: cameras in front of the IMU, off center, slightly rectified."""
    focal = FOCAL_OF_WIDTH * config.width
    size = np.array([config.width, config.height])
    projections = []
    for offset in CAMERAS_AT:
        projection = np.zeros((3, 4))
        projection[:, :3] = np.diag([focal, focal, 1.0])
        projection[:2, 2] = (0.5 + np.array(OFF_CENTER)) * size - HALF_PIXEL
        projection[0, 3] = focal * offset
        projections.append(projection)
    rectification, velodyne, imu = np.eye(4), np.eye(4), np.eye(4)
    rectification[:3, :3] = about_y(0.005)
    velodyne[:3] = [[0, -1, 0, 0.0], [0, 0, -1, -0.08], [1, 0, 0, -0.27]]
    imu[:3, 3] = [-0.81, 0.32, -0.8]
    return Calibration(
        left=projections[0],
        right=projections[1],
        rectification=rectification,
        velodyne_to_camera=velodyne,
        imu_to_velodyne=imu,
    )


def _ego(config: StreetData) -> Float[np.ndarray, "frames 4 4"]:
    speed = EGO_SPEED if config.ego_motion else 0.0
    return _way(config.frames, (0.0, 0.0, 0.0), 1, speed, swing=SWING_M if config.ego_motion else 0.0)


def _movers(config: StreetData) -> tuple[Mover, ...]:
    plans = list(zip(range(1, config.cars + 1), VEHICLES, PLANS, strict=False))
    offsets = {track: config.move.get(track, (0.0, 0.0, 0.0)) for track, _, _ in plans}
    movers = [
        _mover(config, track, vehicle, plan, offsets[track])
        for track, vehicle, plan in plans
        if track not in config.remove
    ]
    for number, (track, offset) in enumerate(sorted(config.insert.items()), start=config.cars + 1):
        _, vehicle, plan = plans[track - 1]
        movers.append(_mover(config, number, vehicle, plan, offset))
    return tuple(movers)


def _mover(
    config: StreetData,
    track: int,
    vehicle: Vehicle,
    plan: tuple[float, float, int, float],
    offset: tuple[float, float, float],
) -> Mover:
    x, y, heading, speed = plan
    speed = speed if config.car_motion else 0.0
    poses = _way(config.frames, (x, y, -IMU_HEIGHT), heading, speed, swing=SWING_M if config.car_motion else 0.0)
    poses[:, :3, 3] += np.linalg.inv(WORLD_AXES[:3, :3]) @ np.array(offset)
    return Mover(track=track, vehicle=vehicle, poses=poses, is_moving=config.car_motion)


def _way(
    frames: int, start: tuple[float, float, float], heading: int, speed: float, *, swing: float
) -> Float[np.ndarray, "frames 4 4"]:
    """Return poses along the street that swing to the sides and face where they go."""
    time = np.arange(frames)
    phase = 2 * np.pi * time / SWING_FRAMES
    aside = swing * (1 - np.cos(phase))
    slope = swing * np.sin(phase) * 2 * np.pi / SWING_FRAMES
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, 0, 3] = start[0] + heading * speed * time
    poses[:, 1, 3] = start[1] + heading * aside
    poses[:, 2, 3] = start[2]
    turn = np.arctan2(slope, speed) if speed > 0 else np.zeros(frames)
    poses[:, :3, :3] = about_z(turn + (0.0 if heading > 0 else np.pi))
    return poses


def _observations(movers: Sequence[Mover], cameras: Cameras, config: StreetData) -> list[Observation]:
    """Return where vehicles are while at least one camera has them in view."""
    seen = []
    for mover in movers:
        for moment in range(config.frames):
            pose, size = mover.box_pose(moment), mover.vehicle.size
            views = np.flatnonzero(cameras.frames.numpy() == moment).tolist() if cameras.frames is not None else []
            if any(view_of(cameras, view, pose, size) is not None for view in views):
                seen.append(
                    Observation(
                        frame=moment,
                        track=mover.track,
                        class_name=CLASSES[mover.vehicle.label],
                        size=size,
                        object_to_world=pose,
                    )
                )
    return seen
