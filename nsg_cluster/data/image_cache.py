"""Images that were averaged down once and are kept between runs: large photographs take minutes to decode.

A file holds the images of one split. Its name is a digest of the paths, sizes and times of the photographs and of the
factor, so that a changed photograph is read again.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from nsg_cluster.core.files import write_atomic
from nsg_cluster.data.images import read_images

__all__ = ["cached_images"]

log = logging.getLogger(__name__)


def cached_images(
    paths: Sequence[Path], *, downsample_factor: float, folder: Path
) -> UInt8[np.ndarray, "images height width channels"]:
    """Return images, averaged down: from the folder if they are there, otherwise read and put there.

    Raises:
        DataError: As `read_images`.
        NsgError: The folder cannot be written.
    """
    file = folder / f"{_digest(paths, downsample_factor)}.npy"
    try:
        return np.asarray(np.load(file, allow_pickle=False), dtype=np.uint8)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError) as error:
        log.warning("%s: the cached images cannot be read (%s); reading the photographs again", file, error)
    images = read_images(paths, downsample_factor=downsample_factor)
    buffer = io.BytesIO()
    np.save(buffer, images)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(file, buffer.getvalue())
    return images


def _digest(paths: Sequence[Path], factor: float) -> str:
    digest = hashlib.sha256(f"{factor:.9g}".encode())
    for path in paths:
        found = path.stat() if path.exists() else None
        stamp = "" if found is None else f"{found.st_size} {found.st_mtime_ns}"
        digest.update(f"\0{path.resolve()}\0{stamp}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]
