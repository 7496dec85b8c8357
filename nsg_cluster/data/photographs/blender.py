"""The Blender format of NeRF: ``transforms_<split>.json`` beside RGB or RGBA images.

``camera_angle_x`` is the horizontal field of view in radians, ``transform_matrix`` maps camera to world with OpenGL
axes (x right, y up, looking along -z), and the principal point is the middle of the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.data import BlenderData
from nsg_cluster.core.errors import DataError
from nsg_cluster.core.files import write_atomic, write_json
from nsg_cluster.data.images import encode_png, read_images
from nsg_cluster.data.photographs.shots import check_places, scene_folder
from nsg_cluster.data.photographs.transforms_file import frame_pose, is_number, read_document
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.cameras import Cameras, focal_from_angle

__all__ = ["load_blender", "write_blender"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One ``transforms`` file, read and checked."""

    file: Path
    angle_x_rad: float
    images: tuple[Path, ...]
    camera_to_world: Float[Tensor, "frames 4 4"]


def load_blender(config: BlenderData) -> Scene:
    """Read a scene in the Blender format.

    Held-out images that are listed and missing are left out and told in the notes.

    Raises:
        DataError: The folder, a ``transforms`` file or a training image is missing or broken, a pose is not rigid, or
            images differ in size.
    """
    root = scene_folder(config.root, "transforms_train.json")
    train = [_read_split(root, name) for name in config.train_splits]
    held_out, notes = _existing(_read_split(root, config.test_split), config.test_split)
    for split in train:
        _refuse_missing(split)
    check_places(train[0].file, torch.cat([split.camera_to_world[:, :3, 3] for split in train]))
    corner = torch.full((3,), config.bound)
    return Scene(
        train=_views(train, config.max_train_views, config.downsample),
        test=_views([held_out], config.max_test_views, config.downsample),
        box=torch.stack([-corner, corner]),
        near=config.near,
        far=config.far,
        notes=notes,
    )


def write_blender(scene: Scene, folder: Path) -> None:
    """Write a scene in the Blender format, its held-out views both as ``val`` and as ``test``."""
    for split, views in {"train": scene.train, "val": scene.test, "test": scene.test}.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        for name, image in zip(views.names, views.images, strict=True):
            write_atomic(folder / split / f"{name}.png", encode_png(image.numpy()))
        last_row = torch.tensor([[[0.0, 0.0, 0.0, 1.0]]]).expand(len(views), 1, 4)
        poses = torch.cat([views.cameras.camera_to_world, last_row], dim=1)
        document = {
            "camera_angle_x": 2.0 * math.atan(0.5 * views.cameras.width / float(views.cameras.focal_px[0, 0])),
            "frames": [
                {"file_path": f"./{split}/{name}", "transform_matrix": pose}
                for name, pose in zip(views.names, poses.tolist(), strict=True)
            ],
        }
        write_json(folder / f"transforms_{split}.json", document)


def _read_split(root: Path, name: str) -> Split:
    file = root / f"transforms_{name}.json"
    document = read_document(file)
    angle = document.get("camera_angle_x")
    if not is_number(angle) or not 0.0 < angle < math.pi:
        said = "is missing" if angle is None else f"is {angle!r}"
        raise DataError(f"{file}: camera_angle_x {said}; it must be a field of view between 0 and pi, in radians")
    frames = document.get("frames")
    if not isinstance(frames, list) or not frames:
        raise DataError(f"{file}: it lists no images: 'frames' must be a list with at least one frame")
    return Split(
        file=file,
        angle_x_rad=float(angle),
        images=tuple(_image_path(root, file, index, frame) for index, frame in enumerate(frames)),
        camera_to_world=torch.stack([frame_pose(file, index, frame) for index, frame in enumerate(frames)]),
    )


def _image_path(root: Path, file: Path, index: int, frame: Any) -> Path:
    """Return the path of a frame's image; ``.png`` is added to a name without an image's ending."""
    name = frame.get("file_path") if isinstance(frame, dict) else None
    if not isinstance(name, str) or not name:
        raise DataError(f"{file}: frame {index} has no file_path")
    path = root / name
    return path if path.suffix.lower() in {".png", ".jpg", ".jpeg"} else path.with_name(path.name + ".png")


def _refuse_missing(split: Split) -> None:
    missing = [path for path in split.images if not path.is_file()]
    if missing:
        raise DataError(
            f"{split.file}: {len(missing)} of its {len(split.images)} images are missing, the first is {missing[0]}: "
            f"copy them there or remove their frames"
        )


def _existing(split: Split, name: str) -> tuple[Split, tuple[str, ...]]:
    """Return the frames that have an image, and a note where that is not all of them."""
    present = [index for index, path in enumerate(split.images) if path.is_file()]
    listed, kept = len(split.images), len(present)
    if not present:
        raise DataError(
            f"{split.file}: none of its {listed} images exists, the first is {split.images[0]}: copy them there"
        )
    if kept == listed:
        return split, ()
    existing = Split(
        file=split.file,
        angle_x_rad=split.angle_x_rad,
        images=tuple(split.images[index] for index in present),
        camera_to_world=split.camera_to_world[present],
    )
    return existing, (f"{name}: {listed - kept} of {listed} listed images are missing; using {kept}",)


def _views(splits: list[Split], max_views: int | None, downsample_factor: int) -> Views:
    """Read the images of splits one after another."""
    paths = [path for split in splits for path in split.images][:max_views]
    angles = torch.tensor([split.angle_x_rad for split in splits for _ in split.images], dtype=torch.float64)
    images = torch.from_numpy(read_images(paths, downsample_factor=downsample_factor))
    count, height, width, _ = images.shape
    focal = torch.tensor([focal_from_angle(angle, width) for angle in angles[:count].tolist()])
    return Views(
        cameras=Cameras(
            camera_to_world=torch.cat([split.camera_to_world for split in splits])[:count, :3],
            focal_px=focal[:, None].expand(count, 2).contiguous(),
            center_px=torch.tensor([[0.5 * width, 0.5 * height]]).expand(count, 2).contiguous(),
            width=width,
            height=height,
        ),
        images=images,
        names=_names(paths),
    )


def _names(paths: list[Path]) -> tuple[str, ...]:
    """Return the stems, with the folder in front where that is needed to tell them apart."""
    stems = tuple(path.stem for path in paths)
    if len(set(stems)) == len(stems):
        return stems
    return tuple(f"{path.parent.name}_{path.stem}" for path in paths)
