"""What files tell of each pixel of a drive: depth, tracks, classes. All views have a file, or it is as if none had.

Depth is stored along the axis of the camera and returned along the ray of each pixel. Where images are averaged down,
maps have the value in the middle of each square, for there is no average of labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float, Int16
from torch import Tensor

from nsg_cluster.core.errors import DataError, cure_of, reason_of
from nsg_cluster.data.drives.camera_files import sampled
from nsg_cluster.geometry.cameras import Cameras

__all__ = ["read_classes", "read_depths", "read_tracks"]

RED, GREEN = 1 << 16, 1 << 8


def read_depths(
    files: Sequence[Path], cameras: Cameras, *, factor: int, unit: float, none: int
) -> Float[Tensor, "images height width"] | None:
    """Return distances along rays, infinite where there is none; None where files are missing.

    Args:
        files: One for each camera.
        cameras: Of the images as they are used.
        factor: By which these are smaller than the files.
        unit: Length of 1 in the files, along the axis of the camera.
        none: What stands in the files where there is no depth.

    Raises:
        DataError: A file is broken.
    """
    if not all(file.is_file() for file in files):
        return None
    depth = np.stack([sampled(_one_channel(file), factor) for file in files]).astype(np.float32)
    along_axis = np.where(depth == none, np.float32(np.inf), depth * np.float32(unit))
    return torch.from_numpy(along_axis) * _lengthening(cameras)


def read_tracks(
    files: Sequence[Path], numbers: Mapping[int, int], *, factor: int
) -> Int16[Tensor, "images height width"] | None:
    """Return the track of each pixel as an index, -1 for none; None where files are missing.

    Args:
        files: One for each camera.
        numbers: What stands in the files for a track, and its index.
        factor: By which images are smaller than the files.

    Raises:
        DataError: A file is broken.
    """
    if not all(file.is_file() for file in files):
        return None
    indices = np.full(1 << 16, -1, dtype=np.int16)
    for number, index in numbers.items():
        indices[number] = index
    return torch.from_numpy(np.stack([indices[sampled(_one_channel(file), factor)] for file in files]))


def read_classes(
    files: Sequence[Path], colors: Sequence[tuple[int, int, int]], *, factor: int
) -> Int16[Tensor, "images height width"] | None:
    """Return the class of each pixel as an index of the colors, -1 for another color; None where files are missing.

    Raises:
        DataError: A file is broken.
    """
    if not all(file.is_file() for file in files):
        return None
    codes = np.array([RED * red + GREEN * green + blue for red, green, blue in colors])
    order = np.argsort(codes)
    maps = []
    for file in files:
        code = sampled(_color_codes(file), factor)
        place = np.searchsorted(codes[order], code).clip(max=len(codes) - 1)
        maps.append(np.where(codes[order][place] == code, order[place], -1).astype(np.int16))
    return torch.from_numpy(np.stack(maps))


def _lengthening(cameras: Cameras) -> Float[Tensor, "images height width"]:
    """Return how much longer the way along each pixel's ray is than along the axis of the camera."""
    center, focal = cameras.center_px.float(), cameras.focal_px.float()
    x = (torch.arange(cameras.width) + 0.5 - center[:, :1]) / focal[:, :1]
    y = (torch.arange(cameras.height) + 0.5 - center[:, 1:]) / focal[:, 1:]
    return (1.0 + x[:, None, :].square() + y[:, :, None].square()).sqrt()


def _one_channel(file: Path) -> np.ndarray:
    """Read an image of whole numbers: depth, or palette indices.

    Raises:
        DataError: It is broken, or has more channels.
    """
    values = _read(file, None)
    if values.ndim != 2 or values.dtype.kind not in "ui":
        raise DataError(f"{file}: must have one channel of whole numbers, not {values.shape} of {values.dtype}")
    return values


def _color_codes(file: Path) -> np.ndarray:
    values = _read(file, "RGB").astype(np.int64)
    codes: np.ndarray = RED * values[..., 0] + GREEN * values[..., 1] + values[..., 2]
    return codes


def _read(file: Path, mode: str | None) -> np.ndarray:
    try:
        with PIL.Image.open(file) as image:
            return np.array(image if mode is None else image.convert(mode))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{file}: the image cannot be read ({reason_of(error)}): {cure_of(error, 'copy it again')}"
        ) from None
