"""``transforms.json`` of instant-ngp and of nerfstudio: one file for all images of a scene.

Intrinsics stand at the top of the file, or in each frame, which wins. Lenses are those of OpenCV. Frames whose image is
missing are passed over and counted: the files that circulate list images that were sorted out later.

Of nerfstudio: lists say what is trained on and what is held out; masks are black where nothing is to be learned; the
point cloud has the frame of the poses, so that ``applied_transform``, which leads there from the reconstruction,
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.data import TransformsData
from nsg_cluster.core.errors import DataError, did_you_mean
from nsg_cluster.data.images import image_size
from nsg_cluster.data.photographs.assemble import moved, scene_of_all
from nsg_cluster.data.photographs.clouds import read_cloud
from nsg_cluster.data.photographs.normalize import Similarity
from nsg_cluster.data.photographs.shots import Shots, scene_folder
from nsg_cluster.data.photographs.transforms_file import frame_pose, is_number, read_document
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import Lens, focal_from_angle

__all__ = ["load_transforms"]

SCALE = 0.33
"""What instant-ngp multiplies positions by, before it adds a half (``load_nerf`` in its sources)."""
ENDINGS = (".png", ".jpg", ".jpeg")
COEFFICIENTS = ("k1", "k2", "k3", "k4", "p1", "p2")
CAMERA_MODELS: dict[str, Lens] = {
    "PINHOLE": "pinhole",
    "SIMPLE_PINHOLE": "pinhole",
    "SIMPLE_RADIAL": "opencv",
    "RADIAL": "opencv",
    "OPENCV": "opencv",
    "OPENCV_FISHEYE": "fisheye",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intrinsics:
    """Intrinsics of one frame."""

    size_px: tuple[float, float]
    focal_px: tuple[float, float]
    center_px: tuple[float, float]
    distortion: tuple[float, ...]
    lens: Lens


def load_transforms(config: TransformsData) -> Scene:
    """Read a scene from a ``transforms.json``.

    Raises:
        DataError: The file, an image or a camera is missing or broken, or lenses are mixed.
    """
    root = scene_folder(config.root, config.file)
    file = root / config.file
    document = read_document(file)
    shots, points, lists = _shots(root, file, document), _points(root, file, document), _lists(root, file, document)
    split = None if lists is None else partial(_listed, file, lists)
    if not config.instant_ngp_frame:
        return scene_of_all(config, shots, points=points, split=split)
    size, frame = document.get("aabb_scale", 1.0), _instant_ngp()
    taken = config.model_copy(update={"normalize": "none", "bound": 0.5 * size if is_number(size) else 0.5})
    points = None if points is None else frame.points(points)
    return scene_of_all(taken, moved(shots, frame), points=points, split=split)


def _instant_ngp() -> Similarity:
    """Return the frame of instant-ngp, its unit cube moved to the origin."""
    return Similarity(scale=SCALE, rotation=torch.eye(3, dtype=torch.float64), center=torch.zeros(3).double())


def _shots(root: Path, file: Path, document: dict[str, Any]) -> Shots:
    frames = document.get("frames")
    if not isinstance(frames, list) or not frames:
        raise DataError(f"{file}: it lists no images: 'frames' must be a list with at least one frame")
    images = tuple(_image(root, file, index, frame) for index, frame in enumerate(frames))
    found = [_intrinsics(file, index, {**document, **frame}, images[index]) for index, frame in enumerate(frames)]
    lenses = {each.lens for each in found}
    if len(lenses) > 1:
        raise DataError(f"{file}: its frames have lenses of kinds {', '.join(sorted(lenses))}; one kind can be read")
    poses = torch.stack([frame_pose(file, index, frame) for index, frame in enumerate(frames)]).double()
    return Shots(
        file=file,
        images=images,
        camera_to_world=poses[:, :3],
        size_px=_rows([each.size_px for each in found]),
        focal_px=_rows([each.focal_px for each in found]),
        center_px=_rows([each.center_px for each in found]),
        distortion=None if lenses == {"pinhole"} else _rows([each.distortion for each in found]),
        lens=lenses.pop(),
        masks=_masks(root, file, frames),
    )


def _masks(root: Path, file: Path, frames: list[Any]) -> tuple[Path, ...] | None:
    """Return the masks of the frames; all have one, or none.

    Raises:
        DataError: Only some have one.
    """
    names = [frame.get("mask_path") for frame in frames]
    if not any(names):
        return None
    if not all(isinstance(name, str) and name for name in names):
        index = next(index for index, name in enumerate(names) if not (isinstance(name, str) and name))
        raise DataError(f"{file}: frame {index} has no mask_path, and others have: give it one, or remove all")
    return tuple(root / name for name in names)


def _points(root: Path, file: Path, document: dict[str, Any]) -> Float[Tensor, "points 3"] | None:
    """Return the points of the cloud that the file names, if any; an empty cloud has none."""
    name = document.get("ply_file_path")
    if name is None:
        return None
    cloud = root / str(name)
    if not cloud.is_file():
        raise DataError(f"{file}: ply_file_path: there is no file {cloud}: copy it there, or remove the entry")
    return torch.from_numpy(read_cloud(cloud))


def _lists(root: Path, file: Path, document: dict[str, Any]) -> tuple[set[Path], set[Path]] | None:
    """Return the images to train on and those held out, where the file lists them; test comes before val.

    Raises:
        DataError: A list is missing or empty, or names an image that no frame has.
    """
    found = {split: document[key] for split in ("train", "val", "test") if (key := f"{split}_filenames") in document}
    if not found:
        return None
    held_out = "test" if found.get("test") else "val"
    frames = {_image(root, file, index, frame) for index, frame in enumerate(document["frames"])}
    chosen = []
    for split in ("train", held_out):
        names = found.get(split)
        if not isinstance(names, list) or not names:
            raise DataError(f"{file}: {split}_filenames must list images, since another split has a list")
        images = {_image(root, file, index, {"file_path": name}) for index, name in enumerate(names)}
        if images - frames:
            raise DataError(f"{file}: {split}_filenames lists {min(images - frames).name}, which no frame has")
        chosen.append(images)
    return chosen[0], chosen[1]


def _listed(file: Path, lists: tuple[set[Path], set[Path]], shots: Shots) -> tuple[Shots, Shots]:
    """Return the photographs of both lists.

    Raises:
        DataError: None of those of a list is there.
    """
    train, test = ([index for index, image in enumerate(shots.images) if image in images] for images in lists)
    if not train or not test:
        raise DataError(f"{file}: none of the images of train_filenames, or of those held out, exists: copy them there")
    return shots.chosen(train), shots.chosen(test)


def _rows(values: list[Any]) -> Float[Tensor, "images columns"]:
    return torch.tensor(values, dtype=torch.float64)


def _image(root: Path, file: Path, index: int, frame: Any) -> Path:
    """Return the path of a frame's image; names without an ending are those of PNG or JPEG files."""
    name = frame.get("file_path") if isinstance(frame, dict) else None
    if not isinstance(name, str) or not name:
        raise DataError(f"{file}: frame {index} has no file_path")
    path = root / name
    if path.suffix.lower() in ENDINGS:
        return path
    candidates = [path.with_name(path.name + ending) for ending in ENDINGS]
    return next((candidate for candidate in candidates if candidate.is_file()), candidates[0])


def _intrinsics(file: Path, index: int, values: dict[str, Any], image: Path) -> Intrinsics:
    width, height = (_number(file, index, values, key) for key in ("w", "h"))
    if (width is None or height is None) and image.is_file():
        width, height = map(float, image_size(image))
    # An image that is missing is left out later, whatever its camera.
    size = (width or 1.0, height or 1.0)
    focal = _focal(file, index, values, size)
    cx, cy = (_number(file, index, values, key) for key in ("cx", "cy"))
    return Intrinsics(
        size_px=size,
        focal_px=focal,
        center_px=(0.5 * size[0] if cx is None else cx, 0.5 * size[1] if cy is None else cy),
        distortion=tuple(_number(file, index, values, key) or 0.0 for key in COEFFICIENTS),
        lens=_lens(file, values),
    )


def _focal(file: Path, index: int, values: dict[str, Any], size: tuple[float, float]) -> tuple[float, float]:
    """Return the focal lengths, given as such or by the field of view; that in y is that in x where it is not given."""
    found = []
    for key, angle_key, side in zip(("fl_x", "fl_y"), ("camera_angle_x", "camera_angle_y"), size, strict=True):
        focal, angle = _number(file, index, values, key), _number(file, index, values, angle_key)
        found.append(focal_from_angle(angle, round(side)) if focal is None and angle is not None else focal)
    x, y = found
    if x is None and y is None:
        raise DataError(f"{file}: frame {index} has neither fl_x nor camera_angle_x, nor has the whole file")
    return (x or y or 0.0), (y or x or 0.0)


def _number(file: Path, index: int, values: dict[str, Any], key: str) -> float | None:
    value = values.get(key)
    if value is None or is_number(value):
        return value
    raise DataError(f"{file}: {key} of frame {index} must be a number and is {value!r}")


def _lens(file: Path, values: dict[str, Any]) -> Lens:
    if values.get("is_fisheye") is True:
        return "fisheye"
    name = values.get("camera_model")
    if name is None:
        return "opencv" if any(values.get(key) for key in COEFFICIENTS) else "pinhole"
    if name not in CAMERA_MODELS:
        near = did_you_mean(str(name), CAMERA_MODELS)
        raise DataError(
            f"{file}: camera_model {name!r} cannot be read; those that can: {', '.join(CAMERA_MODELS)}.{near}"
        )
    return CAMERA_MODELS[name]
