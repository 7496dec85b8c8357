"""The views of a job, one after another: color by Cycles, depth and normals by rays through the pixels' centers.

Depth is the distance along the ray through the center of a pixel to the first surface, infinite where there is none;
Cycles' own depth is that of a random point within the pixel. Normals are those of the triangles in world axes, on the
side of the camera, as colors: 0.5 + 0.5 n.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree

from nsg_cluster.blender.events import BrokenModelError, Say
from nsg_cluster.blender.model import Model

__all__ = ["render_views"]

Floats = npt.NDArray[np.float64]


def render_views(job: dict[str, Any], model: Model, say: Say) -> None:
    """Render every view of a job; a file appears when it is complete."""
    views = job["views"]
    wants_rays = any(view["depth"] or view["normal"] for view in views)
    tree = BVHTree.FromPolygons(model.vertices.tolist(), model.triangles.tolist()) if wants_rays else None
    is_seen = False
    for view in views:
        pose = np.array(view["pose"], dtype=np.float64)
        if tree:
            depth, normals = _cast(tree, pose, job["image_size"], job["focal"])
            if view["depth"]:
                _write(Path(view["depth"]), _npy(depth.astype(np.float32)))
            if view["normal"]:
                _write(Path(view["normal"]), _normals_png(depth, normals))
        # Last, since a view with its picture counts as finished.
        file = _render(pose, Path(job["scratch"]))
        _write(Path(view["image"]), _without_words(file.read_bytes()))
        is_seen = is_seen or _shows_something(file)
        say("view", image=view["image"])
    if views and not is_seen:
        say("note", text="no view shows anything: is the model transparent, or, with 'normalize: none', out of sight?")


def _render(pose: Floats, scratch: Path) -> Path:
    """Render the view of a camera and return the PNG file."""
    scene = bpy.context.scene
    scene.camera.matrix_world = Matrix([*pose.tolist(), [0.0, 0.0, 0.0, 1.0]])
    # Blender fills in the signs # and { of the path, so it writes where we chose the name.
    file = scratch / "view.png"
    scene.render.filepath = str(file)
    bpy.ops.render.render(write_still=True)
    return file


def _shows_something(file: Path) -> bool:
    """Return whether a pixel of a picture is not wholly transparent."""
    image = bpy.data.images.load(str(file))
    pixels = np.empty(image.size[0] * image.size[1] * image.channels, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return bool(pixels[3::4].any())


def _without_words(png: bytes) -> bytes:
    """Return a PNG file without its texts: Blender writes times and paths of this computer into every picture."""
    kept, place = png[:8], 8
    while place < len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] not in {b"tEXt", b"zTXt", b"iTXt", b"tIME"}:
            kept += png[place:end]
        place = end
    return kept


def _cast(tree: Any, pose: Floats, size: int, focal: float) -> tuple[Floats, Floats]:
    """Return depth and normals of the rays through all pixels' centers."""
    offset = (np.arange(size) + 0.5) / size - 0.5
    x, y = np.meshgrid(offset / focal, -offset / focal)
    directions = np.stack([x, y, -np.ones_like(x)], axis=-1) @ pose[:, :3].T
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    depth = np.full(size * size, np.inf)
    normals = np.zeros((size * size, 3))
    origin = Vector(pose[:, 3])
    for index, direction in enumerate(directions.reshape(-1, 3).tolist()):
        _, normal, _, distance = tree.ray_cast(origin, direction)
        if distance is not None:
            depth[index] = distance
            normals[index] = normal
    away = (normals * directions.reshape(-1, 3)).sum(axis=1, keepdims=True) > 0
    normals = np.where(away, -normals, normals)
    return depth.reshape(size, size), normals.reshape(size, size, 3)


def _npy(array: npt.NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _normals_png(depth: Floats, normals: Floats) -> bytes:
    alpha = np.isfinite(depth)[..., None]
    return _png(np.rint(255.0 * np.concatenate([(0.5 + 0.5 * normals) * alpha, alpha], axis=-1)).astype(np.uint8))


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of an RGBA file (W3C Portable Network Graphics, section 11): Blender has no encoder to call."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), pixels.reshape(height, -1)], axis=1)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0),
        b"IDAT": zlib.compress(rows.tobytes()),
        b"IEND": b"",
    }
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _write(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all.

    Raises:
        BrokenModelError: It cannot be written.
    """
    temporary = path.with_name(f".tmp-{path.name}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise BrokenModelError(f"{path}: cannot be written: {error.strerror}") from None
