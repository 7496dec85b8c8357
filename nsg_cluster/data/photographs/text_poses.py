"""Poses and intrinsics in text files of numbers, with the axes of OpenCV: x right, y down, z forward."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.core.errors import DataError, reason_of
from nsg_cluster.geometry.poses import check_rigid

__all__ = ["opengl_axes", "poses_without_images", "read_numbers", "read_pose"]


def read_numbers(file: Path) -> Float[Tensor, " numbers"]:
    """Return all numbers of a text file, in float64.

    Raises:
        DataError: The file is missing or holds something else.
    """
    try:
        words = file.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file: copy it there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: the file cannot be read ({reason_of(error)})") from None
    try:
        return torch.from_numpy(np.array([float(word) for word in words], dtype=np.float64))
    except ValueError as error:
        raise DataError(f"{file}: it must hold numbers alone ({error})") from None


def read_pose(file: Path) -> Float[Tensor, "3 4"]:
    """Return the camera-to-world matrix of a file of 16 numbers, with OpenGL axes.

    Raises:
        DataError: The file is missing or no pose.
    """
    numbers = read_numbers(file)
    if len(numbers) != 16:
        raise DataError(f"{file}: a pose has 16 numbers, and these are {len(numbers)}")
    matrix = numbers.view(4, 4)
    try:
        check_rigid(matrix)
    except ValueError as error:
        raise DataError(f"{file}: it is no camera pose: {error}") from None
    return opengl_axes(matrix[None, :3])[0]


def poses_without_images(folder: Path, images: Sequence[Path], prefix: str = "") -> tuple[str, ...]:
    """Return a note where pose files, whose names begin with a prefix, have no image of that name."""
    named = {path.stem for path in images}
    poses = sorted(path.stem for path in folder.glob(f"{prefix}*.txt"))
    alone = [stem for stem in poses if stem not in named]
    if not alone:
        return ()
    return (f"{len(alone)} of {len(poses)} poses in {folder} have no image, the first is {alone[0]}; left out",)


def opengl_axes(camera_to_world: Float[Tensor, "images 3 4"]) -> Float[Tensor, "images 3 4"]:
    """Return poses whose cameras' y and z axes point the other way: from OpenCV's axes to OpenGL's and back."""
    return camera_to_world * camera_to_world.new_tensor([1.0, -1.0, -1.0, 1.0])
