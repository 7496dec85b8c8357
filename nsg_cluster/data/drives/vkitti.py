"""A scene of Virtual KITTI 2: any variant, both cameras, depth, instances and classes where they are present.

The world of the files is ours already: y down. Turns about x and z of objects are small and used as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from nsg_cluster.config.driving import VKitti2Data
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.camera_files import (
    black_images,
    cropped,
    image_size,
    missing_advice,
    read_cropped,
)
from nsg_cluster.data.drives.drive import Drive, Observation, Pictures, camera_indices, drive_scene, tracks_of
from nsg_cluster.data.drives.protocols import chosen_frames
from nsg_cluster.data.drives.truth_maps import read_classes, read_depths, read_tracks
from nsg_cluster.data.drives.turns import about_x, about_y, about_z
from nsg_cluster.data.drives.vkitti_files import (
    PoseRow,
    read_colors,
    read_extrinsic,
    read_info,
    read_intrinsic,
    read_pose,
)
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import Cameras

__all__ = ["VKittiFiles", "load_vkitti", "read_vkitti", "vkitti_files", "vkitti_images"]

OPENGL = np.diag([1.0, -1.0, -1.0])
# Pixel centers have whole coordinates in the files, and halves in ours.
HALF_PIXEL = 0.5
METERS_OF_UNIT = 0.01
NO_DEPTH = 65535
# Depth files hold the distance along the axis of the camera.
KINDS = {
    "rgb": ("rgb", ".jpg"),
    "depth": ("depth", ".png"),
    "instanceSegmentation": ("instancegt", ".png"),
    "classSegmentation": ("classgt", ".png"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VKittiFiles:
    """Where the files of a variant of a scene are."""

    folder: Path
    """The one that holds ``pose.txt`` and ``frames``."""

    def table(self, name: str) -> Path:
        """Return a text file: intrinsic, extrinsic, pose, bbox, info or colors."""
        return self.folder / f"{name}.txt"

    def image(self, kind: str, camera: int, frame: int) -> Path:
        """Return an image: of kind rgb, depth, instanceSegmentation or classSegmentation."""
        stem, suffix = KINDS[kind]
        return self.folder / "frames" / kind / f"Camera_{camera}" / f"{stem}_{frame:05d}{suffix}"


def load_vkitti(config: VKitti2Data, *, with_images: bool = True) -> Scene:
    """Read a scene.

    Args:
        config: Which one, and what of it.
        with_images: Without them they are black and take no memory: enough to render.

    Raises:
        DataError: A file is missing or broken, or frames are beyond the end.
    """
    drive, paths = read_vkitti(config), vkitti_files(config)
    frames = [drive.frame_numbers[moment] for moment in drive.moments.tolist()]

    def files(kind: str, views: Sequence[int]) -> list[Path]:
        return [paths.image(kind, int(drive.camera_ids[view]), frames[view]) for view in views]

    def look(views: Sequence[int]) -> Pictures:
        if not with_images:
            return Pictures(images=black_images(len(views), drive.cameras.width, drive.cameras.height))
        if advice := missing_advice(files("rgb", views), [frames[view] for view in views]):
            raise DataError(f"scene {config.scene}: {advice}")
        return Pictures(
            images=read_cropped(files("rgb", views), config.downsample),
            **_truth(config, drive, paths, files, views),
        )

    return drive_scene(drive, config, look)


def _truth(
    config: VKitti2Data,
    drive: Drive,
    paths: VKittiFiles,
    files: Callable[[str, Sequence[int]], list[Path]],
    views: Sequence[int],
) -> dict[str, Any]:
    """Return depth, instances and classes of views, those that are there and asked for."""
    factor, found = config.downsample, dict[str, Any]()
    if config.depth:
        cameras = drive.cameras[torch.tensor(list(views))]
        found["depth"] = read_depths(files("depth", views), cameras, factor=factor, unit=METERS_OF_UNIT, none=NO_DEPTH)
    if config.segmentation:
        numbers = {track + 1: index for index, track in enumerate(drive.tracks.ids)}
        found["instances"] = read_tracks(files("instanceSegmentation", views), numbers, factor=factor)
        if (table := paths.table("colors")).is_file():
            colors = read_colors(table)
            found["classes"] = read_classes(files("classSegmentation", views), list(colors.values()), factor=factor)
            found["class_names"] = tuple(colors)
    return found


def read_vkitti(config: VKitti2Data) -> Drive:
    """Read cameras and objects of a scene, in double precision.

    Raises:
        DataError: A text file is missing or broken, frames are beyond the end, or the size of the images is unknown.
    """
    paths = vkitti_files(config)
    intrinsic, extrinsic = read_intrinsic(paths.table("intrinsic")), read_extrinsic(paths.table("extrinsic"))
    numbers, ids = chosen_frames(config, int(extrinsic.frames.max()) + 1), camera_indices(config.cameras)
    views = [(frame, camera) for camera in ids for frame in numbers]
    inside = _each(paths.table("intrinsic"), intrinsic.of, views)
    outside = _each(paths.table("extrinsic"), extrinsic.of, views).reshape(-1, 4, 4)
    labels = read_info(paths.table("info"))
    rows = read_pose(paths.table("pose"))
    tracks, notes = tracks_of(_observations(paths.table("info"), rows, labels, config), numbers, config)
    rotation = outside[:, :3, :3].swapaxes(1, 2)
    position = -rotation @ outside[:, :3, 3:]
    size = image_size(
        [paths.image("rgb", camera, frame) for frame, camera in views], config.image_size, where=f"scene {config.scene}"
    )
    cameras = Cameras(
        camera_to_world=torch.from_numpy(np.concatenate([rotation @ OPENGL, position], axis=2)),
        focal_px=torch.from_numpy(inside[:, :2].copy()),
        center_px=torch.from_numpy(inside[:, 2:] + HALF_PIXEL),
        width=size[0],
        height=size[1],
        frames=torch.arange(len(numbers)).repeat(len(ids)),
    )
    return Drive(
        cameras=cropped(cameras, config.downsample),
        camera_ids=torch.tensor([camera for _, camera in views]),
        frame_numbers=numbers,
        tracks=tracks,
        notes=notes,
    )


def vkitti_files(config: VKitti2Data) -> VKittiFiles:
    """Return where the files of a variant are.

    Raises:
        DataError: There is no such folder.
    """
    root = Path(config.root)
    folder = root / f"Scene{config.scene}" / config.variant
    if not folder.is_dir():
        scenes = sorted(f"{path.parent.name}/{path.name}" for path in root.glob("Scene*/*") if path.is_dir())
        raise DataError(
            f"data.root: there is no folder '{folder}' (found: {', '.join(scenes[:12]) or 'no scene'}): set it to the "
            "folder that holds Scene01, Scene02, … of Virtual KITTI 2"
        )
    return VKittiFiles(folder=folder)


def vkitti_images(config: VKitti2Data, drive: Drive) -> list[Path]:
    """Return the image file of each view of a drive."""
    paths = vkitti_files(config)
    return [
        paths.image("rgb", camera, drive.frame_numbers[moment])
        for camera, moment in zip(drive.camera_ids.tolist(), drive.moments.tolist(), strict=True)
    ]


def _each(
    path: Path, find: Callable[[int, int], Float[np.ndarray, " values"] | None], views: Sequence[tuple[int, int]]
) -> Float[np.ndarray, "views values"]:
    rows = []
    for frame, camera in views:
        row = find(frame, camera)
        if row is None:
            raise DataError(f"{path}: has no line for frame {frame} of camera {camera}")
        rows.append(row)
    return np.stack(rows)


def _observations(
    path: Path, rows: Sequence[PoseRow], labels: dict[int, str], config: VKitti2Data
) -> list[Observation]:
    """Return each object once a frame: both cameras tell the same place in the world."""
    found: dict[tuple[int, int], Observation] = {}
    for row in rows:
        if row.track not in labels:
            raise DataError(f"{path}: has no label for track {row.track}, which pose.txt has")
        if (class_name := config.classes.get(labels[row.track])) is None or (row.frame, row.track) in found:
            continue
        pose = np.eye(4)[:3]
        y, x, z = row.turn_rad
        pose[:, :3] = about_y(y) @ about_x(x) @ about_z(z)
        pose[:, 3] = np.array(row.bottom) - 0.5 * row.size[1] * pose[:, 1]
        found[row.frame, row.track] = Observation(
            frame=row.frame, track=row.track, class_name=class_name, size=row.size, object_to_world=pose
        )
    return list(found.values())
