"""A scene of Virtual KITTI 2: any variant, both cameras, depth and instances where they are present.

The world of the files is ours already: y down. Turns about x and z of objects are small and used as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float, Int16
from torch import Tensor

from nsg_cluster.config.driving import VKitti2Data
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.camera_files import (
    black_images,
    cropped,
    image_size,
    missing_advice,
    read_cropped,
    sampled,
)
from nsg_cluster.data.drives.drive import Drive, Observation, Pictures, camera_indices, drive_scene, tracks_of
from nsg_cluster.data.drives.protocols import chosen_frames
from nsg_cluster.data.drives.turns import about_x, about_y, about_z
from nsg_cluster.data.drives.vkitti_files import PoseRow, read_extrinsic, read_info, read_intrinsic, read_pose
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import Cameras

__all__ = ["VKittiFiles", "load_vkitti", "read_vkitti", "vkitti_files", "vkitti_images"]

OPENGL = np.diag([1.0, -1.0, -1.0])
# Pixel centers have whole coordinates in the files, and halves in ours.
HALF_PIXEL = 0.5
METERS_OF_UNIT = 0.01
NO_DEPTH = 65535
# Depth files hold the distance along the axis of the camera.
KINDS = {"rgb": ("rgb", ".jpg"), "depth": ("depth", ".png"), "instanceSegmentation": ("instancegt", ".png")}


@dataclass(frozen=True, slots=True, kw_only=True)
class VKittiFiles:
    """Where the files of a variant of a scene are."""

    folder: Path
    """The one that holds ``pose.txt`` and ``frames``."""

    def table(self, name: str) -> Path:
        """Return a text file: intrinsic, extrinsic, pose, bbox, info or colors."""
        return self.folder / f"{name}.txt"

    def image(self, kind: str, camera: int, frame: int) -> Path:
        """Return an image: of kind rgb, depth or instanceSegmentation."""
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
            depth=_depth(files("depth", views), drive.cameras, views, config) if config.depth else None,
            instances=_instances(files("instanceSegmentation", views), drive, config) if config.segmentation else None,
        )

    return drive_scene(drive, config, look)


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


def _depth(
    files: Sequence[Path], cameras: Cameras, views: Sequence[int], config: VKitti2Data
) -> Float[Tensor, "images height width"] | None:
    """Return distances along rays; None where files are missing."""
    if not all(file.is_file() for file in files):
        return None
    depth = np.stack([sampled(_read_map(file, np.uint16), config.downsample) for file in files]).astype(np.float32)
    along_axis = np.where(depth == NO_DEPTH, np.float32(np.inf), depth * np.float32(METERS_OF_UNIT))
    return torch.from_numpy(along_axis) * _lengthening(cameras, views)


def _lengthening(cameras: Cameras, views: Sequence[int]) -> Float[Tensor, "images height width"]:
    """Return how much longer the way along each pixel's ray is than along the axis of the camera."""
    chosen = list(views)
    center, focal = cameras.center_px[chosen].float(), cameras.focal_px[chosen].float()
    x = (torch.arange(cameras.width) + 0.5 - center[:, :1]) / focal[:, :1]
    y = (torch.arange(cameras.height) + 0.5 - center[:, 1:]) / focal[:, 1:]
    return (1.0 + x[:, None, :].square() + y[:, :, None].square()).sqrt()


def _instances(files: Sequence[Path], drive: Drive, config: VKitti2Data) -> Int16[Tensor, "images height width"] | None:
    """Return the track of each pixel, as an index; None where files are missing. Files hold its number plus one."""
    if not all(file.is_file() for file in files):
        return None
    indices = np.full(1 << 16, -1, dtype=np.int16)
    for index, track in enumerate(drive.tracks.ids):
        indices[track + 1] = index
    return torch.from_numpy(np.stack([indices[sampled(_read_map(file, None), config.downsample)] for file in files]))


def _read_map(file: Path, wanted: type | None) -> np.ndarray:
    """Read an image of one channel: depth, or palette indices.

    Raises:
        DataError: It is broken, or has more channels.
    """
    try:
        with PIL.Image.open(file) as image:
            values = np.array(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{file}: the image cannot be read ({error}): copy it again") from None
    if values.ndim != 2 or values.dtype.kind not in "ui":
        raise DataError(f"{file}: must have one channel of whole numbers, not {values.shape} of {values.dtype}")
    return values if wanted is None else values.astype(wanted)
