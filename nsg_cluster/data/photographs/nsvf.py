"""The layout of NSVF (https://arxiv.org/abs/2007.11571), which Synthetic-NSVF, Tanks and Temples, BlendedMVS come in.

Names begin with the split: ``0_`` is trained on, ``1_`` and ``2_`` are validation and test where there are both, else
``1_`` is the test.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.data import NsvfData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.images import image_size
from nsg_cluster.data.photographs.assemble import cube, moved, scene_of_splits
from nsg_cluster.data.photographs.normalize import Similarity
from nsg_cluster.data.photographs.shots import Shots, scene_folder
from nsg_cluster.data.photographs.text_poses import poses_without_images, read_numbers, read_pose
from nsg_cluster.data.scene import Scene

__all__ = ["load_nsvf"]

ENDINGS = {".png", ".jpg", ".jpeg"}


def load_nsvf(config: NsvfData) -> Scene:
    """Read a scene in NSVF's layout.

    Raises:
        DataError: A file is missing or broken, or the box has no inside.
    """
    root = scene_folder(config.root, "bbox.txt")
    frame = _frame_of_box(root / "bbox.txt", config)
    images = _images(root / "rgb")
    held_out = "2_" if any(path.name.startswith("2_") for path in images) else "1_"
    splits = [_shots(root, [path for path in images if path.name.startswith(name)], name) for name in ("0_", held_out)]
    train, test = (moved(shots, frame) for shots in splits)
    notes = tuple(note for name in ("0_", held_out) for note in poses_without_images(root / "pose", images, name))
    return scene_of_splits(config, train, test, cube(config.bound), notes=notes)


def _frame_of_box(file: Path, config: NsvfData) -> Similarity:
    """Return the frame in which the box of a file just fits into the cube of ``bound``.

    Raises:
        DataError: The file is missing or its box has no inside.
    """
    numbers = read_numbers(file)
    if len(numbers) < 6:
        raise DataError(f"{file}: a box has 6 numbers, lower and upper corner, and these are {len(numbers)}")
    low, high = numbers[:3], numbers[3:6]
    if not bool((high > low).all()):
        raise DataError(f"{file}: the lower corner {low.tolist()} is not below the upper corner {high.tolist()}")
    half = 0.5 * float((high - low).max()) * config.enlarge
    return Similarity(scale=config.bound / half, rotation=torch.eye(3).double(), center=0.5 * (low + high))


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"data.root: there is no folder '{folder}': set data.root to the folder that holds it")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)


def _shots(root: Path, images: list[Path], prefix: str) -> Shots:
    if not images:
        raise DataError(f"{root / 'rgb'}: there is no image whose name begins with {prefix}")
    count = len(images)
    size = torch.tensor([image_size(images[0])], dtype=torch.float64)
    focal, center = _intrinsics(root / "intrinsics.txt", size[0])
    return Shots(
        file=root / "rgb",
        images=tuple(images),
        camera_to_world=torch.stack([read_pose(root / "pose" / f"{path.stem}.txt") for path in images]),
        size_px=size.expand(count, 2),
        focal_px=focal.expand(count, 2),
        center_px=center.expand(count, 2),
    )


def _intrinsics(file: Path, size_px: Float[Tensor, " 2"]) -> tuple[Float[Tensor, " 2"], Float[Tensor, " 2"]]:
    """Return focal lengths and principal point.

    A 4x4 or 3x3 matrix has both. Other files begin with the focal length; their principal point is that of other
    images, and the middle of these is what they were rendered with.

    Raises:
        DataError: The file is missing or holds something else.
    """
    numbers = read_numbers(file)
    if len(numbers) in {9, 16}:
        matrix = numbers.view(3, 3) if len(numbers) == 9 else numbers.view(4, 4)
        if float(matrix[1, 1]) > 0:
            return torch.stack([matrix[0, 0], matrix[1, 1]]), matrix[:2, 2]
    if not len(numbers) or float(numbers[0]) <= 0:
        raise DataError(f"{file}: it must begin with a focal length in pixels, or be a 3x3 or 4x4 matrix")
    return numbers[:1].expand(2), 0.5 * size_px
