"""Images and videos as ``data:`` addresses inside the page, within a budget of bytes.

An image stays a lossless PNG while that is small; otherwise it becomes JPEG (quality 90, full color resolution),
downscaled where it is larger than the page shows it. Videos are embedded as they are. What does not fit is left out
and said.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nsg_cluster.core.units import format_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Budget", "Picture", "embed_image", "embed_video"]

LOSSLESS_BYTES = 64 << 10
JPEG_QUALITY = 90
# Larger than any frame of ours; keeps a hostile file from filling the memory.
MAX_PIXELS = 1 << 26
VIDEO_TYPES = {".mp4": "video/mp4", ".gif": "image/gif"}


class Budget:
    """Bytes that a part of the page may still take, and what was left out or changed to stay within it."""

    def __init__(self, num_bytes: int) -> None:
        self.left = num_bytes
        self.remarks: list[str] = []

    def take(self, data: bytes, kind: str, name: str) -> str | None:
        """Return content as a ``data:`` address, or ``None`` (and a remark) where it is too large."""
        head = f"data:{kind};base64,"
        size = len(head) + 4 * -(-len(data) // 3)
        if size > self.left:
            self.remarks.append(_too_large(name, len(data)))
            return None
        self.left -= size
        return head + base64.b64encode(data).decode("ascii")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image inside the page."""

    address: str
    width: int
    """Of the file, in pixels."""
    height: int


def embed_image(path: Path, budget: Budget, *, max_side: int) -> Picture | None:
    """Return an image, at most ``max_side`` pixels on its longer side; ``None`` (and a remark) where that fails."""
    import warnings

    from PIL import Image

    try:
        # Pillow only warns of images so large that they must be an attack; the size is checked just below.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = Image.open(path)
        with opened as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                budget.remarks.append(f"{path.name} is left out: {width}x{height} pixels are too many")
                return None
            data, kind = _encoded(path, image, max_side)
    # Pillow raises many kinds of errors at damaged files, SyntaxError and struct.error among them.
    except Exception as error:  # noqa: BLE001
        budget.remarks.append(f"{path.name} cannot be read: {error}")
        return None
    address = budget.take(data, kind, path.name)
    return Picture(address, width, height) if address else None


def _encoded(path: Path, image: Image, max_side: int) -> tuple[bytes, str]:
    """Return an image as bytes, and their kind."""
    fits = max(image.size) <= max_side
    image.load()
    if fits and image.format == "PNG" and path.stat().st_size <= LOSSLESS_BYTES:
        return path.read_bytes(), "image/png"
    image = image.convert("RGB")
    image.thumbnail((max_side, max_side))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    return stream.getvalue(), "image/jpeg"


def _too_large(name: str, num_bytes: int) -> str:
    return f"{name} ({format_bytes(num_bytes)}) is left out to keep this page small"


def embed_video(candidates: Sequence[Path], budget: Budget) -> tuple[str, str] | None:
    """Return the address and the kind of the first candidate that is there and fits.

    Args:
        candidates: The same video in several formats, the best one first.
        budget: Bytes that are left.
    """
    for path in candidates:
        try:
            size = path.stat().st_size
            if size * 4 / 3 > budget.left:
                budget.remarks.append(_too_large(path.name, size))
                continue
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            budget.remarks.append(f"{path.name} cannot be read: {error.strerror}")
            continue
        if not _is_whole(path, data):
            budget.remarks.append(f"{path.name} is damaged or not finished")
        elif address := budget.take(data, VIDEO_TYPES[path.suffix], path.name):
            return address, VIDEO_TYPES[path.suffix]
    return None


def _is_whole(path: Path, data: bytes) -> bool:
    """Look for what only a finished file has: the index of an MP4, the last byte of a GIF."""
    if path.suffix == ".mp4":
        return data[4:8] == b"ftyp" and b"moov" in data
    return data[:4] == b"GIF8" and data.rstrip(b"\0").endswith(b";")
