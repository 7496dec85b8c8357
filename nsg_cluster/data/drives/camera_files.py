"""The image files of a drive: found, counted, measured and read, the parts of a pixel square averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from nsg_cluster.core.errors import DataError, cure_of, reason_of
from nsg_cluster.data.images import downsample, read_image
from nsg_cluster.geometry.cameras import Cameras

__all__ = ["black_images", "cropped", "image_size", "missing_advice", "read_cropped", "sampled"]


def image_size(files: Sequence[Path], told: tuple[int, int] | None, *, where: str) -> tuple[int, int]:
    """Return width and height of the first file that exists, or else what was told.

    Raises:
        DataError: No file exists and nothing was told, or the file is no image, or it differs from what was told.
    """
    present = next((file for file in files if file.is_file()), None)
    if present is None:
        if told is None:
            raise DataError(f"{where}: none of the {len(files)} images exists, the first is {files[0]}; {GET_IMAGES}")
        return told
    try:
        with PIL.Image.open(present) as image:
            size: tuple[int, int] = image.size
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{present}: the image cannot be read ({reason_of(error)}): {cure_of(error, 'copy it again')}"
        ) from None
    if told is not None and tuple(told) != size:
        raise DataError(f"data.image_size says {told[0]}x{told[1]} and {present} is {size[0]}x{size[1]}; leave it out")
    return size


GET_IMAGES = "copy them there, or set data.image_size to render without them"


def missing_advice(files: Sequence[Path], frames: Sequence[int]) -> str | None:
    """Return what to do where some of the files of views are missing, given the frame of each; None where all exist."""
    missing = [index for index, file in enumerate(files) if not file.is_file()]
    if not missing:
        return None
    bad = {frames[index] for index in missing}
    whole = sorted(set(frames) - bad)
    instead = f", or set data.frames to those that are whole ('{_as_ranges(whole)}')" if whole else ""
    return (
        f"{len(missing)} of {len(files)} images are missing, the first is {files[missing[0]]}: copy them there{instead}"
    )


def _as_ranges(numbers: Sequence[int]) -> str:
    """Return numbers as a text that `config.driving.frame_ranges` reads."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def cropped(cameras: Cameras, factor: int) -> Cameras:
    """Return the cameras of images that are averaged down by a factor.

    Columns on the right and rows at the bottom that it leaves over are cut off first.
    """
    width, height = cameras.width // factor, cameras.height // factor
    return replace(cameras, width=width * factor, height=height * factor).resized(width=width, height=height)


def read_cropped(files: Sequence[Path], factor: int) -> UInt8[Tensor, "images height width 3"]:
    """Read images of one size, cut and averaged down as `cropped` says.

    Raises:
        DataError: A file is missing or broken, differs in size from the first one, or is not opaque RGB.
    """
    stack = np.empty((0, 0, 0, 3), dtype=np.uint8)
    size: tuple[int, ...] = ()
    for index, file in enumerate(files):
        image = read_image(file)
        height, width = (side // factor for side in image.shape[:2])
        if index == 0:
            size = (*image.shape[:2], 3)
            stack = np.empty((len(files), height, width, 3), dtype=np.uint8)
        if image.shape != size:
            raise DataError(
                f"{file} is {image.shape[1]}x{image.shape[0]} with {image.shape[2]} channels and {files[0]} is "
                f"{size[1]}x{size[0]}: the images of a drive must be RGB and equal in size"
            )
        stack[index] = downsample(image[: height * factor, : width * factor], factor)
    return torch.from_numpy(stack)


def black_images(count: int, width: int, height: int) -> UInt8[Tensor, "images height width 3"]:
    """Return black images that take the memory of one pixel: for what needs cameras alone."""
    return torch.zeros(1, 1, 1, 3, dtype=torch.uint8).expand(count, height, width, 3)


def sampled(values: Shaped[np.ndarray, "height width"], factor: int) -> Shaped[np.ndarray, "small_height small_width"]:
    """Return the value in the middle of each square of pixels: depths and labels have no average."""
    height, width = values.shape[0] // factor * factor, values.shape[1] // factor * factor
    return values[factor // 2 : height : factor, factor // 2 : width : factor]
