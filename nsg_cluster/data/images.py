"""Image files: read with checks, averaged down, encoded.

Pixels in memory are 8 bits a channel, RGB or RGBA with straight alpha, the top row first.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
from jaxtyping import Bool, Float, UInt8

from nsg_cluster.core.errors import DataError, cure_of, reason_of

__all__ = ["downsample", "encode_png", "image_size", "read_image", "read_images", "read_mask", "straight_alpha"]

log = logging.getLogger(__name__)

AREA = PIL.Image.Resampling.BOX
SECONDS_BETWEEN_LINES = 10.0
THREADS = 4


def read_image(path: Path) -> UInt8[np.ndarray, "height width channels"]:
    """Read an RGB or RGBA image of 8 bits a channel.

    Raises:
        DataError: The file is missing, is no image, is cut short, or has other channels.
    """
    try:
        with PIL.Image.open(path) as image:
            if image.mode not in {"RGB", "RGBA"}:
                raise DataError(
                    f"{path}: the image is of kind '{image.mode}'; convert it to RGB or RGBA of 8 bits a channel"
                )
            return np.array(image)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such image") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{path}: the image cannot be read ({reason_of(error)}): {cure_of(error, 'copy or render it again')}"
        ) from None


def read_mask(path: Path, width: int, height: int) -> Bool[np.ndarray, "height width"]:
    """Read an image of any kind, brought to a size, and return where it is more white than black.

    Raises:
        DataError: The file is missing, is no image, or has another shape.
    """
    try:
        with PIL.Image.open(path) as image:
            if abs(image.width * height - image.height * width) > max(image.size):
                raise DataError(f"{path}: the mask is {image.width}x{image.height}, and its image {width}x{height}")
            shown: np.ndarray = np.array(image.convert("L").resize((width, height), AREA)) >= 128
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such mask: copy it there, or remove mask_path") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{path}: the mask cannot be read ({reason_of(error)}): {cure_of(error, 'copy or make it again')}"
        ) from None
    if not shown.any():
        raise DataError(f"{path}: the mask is black everywhere, which leaves nothing of its image: remove that frame")
    return shown


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image without reading its pixels.

    Raises:
        DataError: The file is missing or is no image.
    """
    try:
        with PIL.Image.open(path) as image:
            return image.width, image.height
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{path}: the image cannot be read ({reason_of(error)}): {cure_of(error, 'copy or render it again')}"
        ) from None


def read_images(
    paths: Sequence[Path], *, downsample_factor: float = 1
) -> UInt8[np.ndarray, "images height width channels"]:
    """Read images of equal size, in order; a line in the log tells how far a long read is.

    Raises:
        DataError: As ``read_image``, or two images differ in size or channels, or nothing is left of one.
    """
    stack: list[np.ndarray] = []
    said = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        for image in pool.map(partial(_read_downsampled, factor=downsample_factor), paths):
            if stack and image.shape != stack[0].shape:
                raise DataError(
                    f"{paths[len(stack)]} is {_size(image)} and {paths[0]} is {_size(stack[0])}: "
                    f"all images of a split must be equal in size and channels"
                )
            stack.append(image)
            if time.monotonic() - said > SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                log.info("read %d of %d images", len(stack), len(paths))
    return np.stack(stack)


def downsample(
    image: UInt8[np.ndarray, "height width channels"], factor: float
) -> UInt8[np.ndarray, "small_height small_width channels"]:
    """Average areas of ``factor`` pixels a side, color weighted by alpha; sizes are rounded down.

    Raises:
        ValueError: Nothing would be left of the image.
    """
    height, width, channels = image.shape
    small = int(width / factor), int(height / factor)
    if min(small) < 1:
        raise ValueError(f"nothing is left of {width}x{height}")
    if small == (width, height):
        return image
    pixels = image.astype(np.float32) / 255.0
    if channels == 4:
        pixels[..., :3] *= pixels[..., 3:]
    if (small[0] * factor, small[1] * factor) == (width, height) and factor == int(factor):
        side = int(factor)
        mean = pixels.reshape(small[1], side, small[0], side, channels).mean(axis=(1, 3))
    else:
        resized = [np.array(PIL.Image.fromarray(pixels[..., c]).resize(small, AREA)) for c in range(channels)]
        mean = np.stack(resized, axis=-1)
    return straight_alpha(mean) if channels == 4 else _to_uint8(mean)


def straight_alpha(premultiplied: Float[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, "height width 4"]:
    """Return 8-bit RGBA with straight alpha; black where nothing is covered."""
    alpha = premultiplied[..., 3:]
    color = np.divide(premultiplied[..., :3], alpha, out=np.zeros_like(premultiplied[..., :3]), where=alpha > 0)
    return _to_uint8(np.concatenate([color, alpha], axis=-1))


def encode_png(image: UInt8[np.ndarray, "height width channels"]) -> bytes:
    """Return the bytes of a PNG file."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def _to_uint8(image: Float[np.ndarray, "height width channels"]) -> UInt8[np.ndarray, "height width channels"]:
    rounded: np.ndarray = np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
    return rounded


def _read_downsampled(path: Path, factor: float) -> UInt8[np.ndarray, "height width channels"]:
    try:
        return downsample(read_image(path), factor)
    except ValueError as error:
        raise DataError(f"{path}: {error} with downsample {factor:g}") from None


def _size(image: np.ndarray) -> str:
    height, width, channels = image.shape
    return f"{width}x{height} {'RGBA' if channels == 4 else 'RGB'}"
