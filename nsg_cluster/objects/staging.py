"""A model's file made ready for Blender in a scratch folder, under a plain name, and looked at on the way.

Blender runs on names without blanks, newlines and signs that it fills in, and on files that are what they claim to be.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path

from nsg_cluster.core.errors import DataError
from nsg_cluster.core.logs import printable
from nsg_cluster.objects.materials import collect_materials
from nsg_cluster.objects.obj_text import copy_obj

__all__ = ["Staged", "source_digest", "stage"]

LIBRARY = "materials.mtl"
STL_HEADER = 84
STL_FACET = 50
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Staged:
    """What Blender is given."""

    file: Path
    format: str
    """Ending in small letters, without the dot."""
    notes: tuple[str, ...]


def stage(model: Path, scratch: Path, *, max_faces: int) -> Staged:
    """Check a model and put it into a folder.

    Raises:
        DataError: It is empty, damaged or too large.
    """
    kind = model.suffix.lower().lstrip(".")
    target = scratch / f"model.{kind}"
    if kind == "obj":
        summary = copy_obj(model, target, library=LIBRARY, max_faces=max_faces)
        materials = collect_materials(model, summary.libraries)
        materials.write(scratch, LIBRARY)
        return Staged(target, kind, tuple(summary.notes + materials.notes))
    CHECKS[kind](model)
    if kind == "gltf":
        return Staged(model, kind, ())  # it names its buffers and textures relative to itself
    target.symlink_to(model)
    return Staged(target, kind, ())


def source_digest(model: Path) -> str:
    """Return a digest of a model's bytes, so that a changed model is not taken for the one that was rendered.

    Raises:
        DataError: It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with model.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{printable(str(model))}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()[:16]


def _head(model: Path, count: int) -> bytes:
    try:
        with model.open("rb") as file:
            head = file.read(count)
    except OSError as error:
        raise DataError(f"{printable(str(model))}: cannot be read: {error.strerror}") from None
    if not head.strip():
        raise DataError(f"{printable(str(model))}: is empty")
    return head


def _check_glb(model: Path) -> None:
    """Check the header of a binary glTF: magic, version, length of the file."""
    head = _head(model, 12)
    if len(head) < 12 or head[:4] != b"glTF":
        raise DataError(f"{printable(str(model))}: is no binary glTF: it does not begin with 'glTF'")
    _check_size(model, struct.unpack("<I", head[8:])[0])


def _check_gltf(model: Path) -> None:
    _head(model, 1)
    try:
        document = json.loads(model.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(f"{printable(str(model))}: is no glTF: {error}") from None
    if not isinstance(document, dict) or "asset" not in document:
        raise DataError(f"{printable(str(model))}: is no glTF: it has no 'asset'")


def _check_ply(model: Path) -> None:
    if not _head(model, 4).startswith(b"ply"):
        raise DataError(f"{printable(str(model))}: is no .ply file: it does not begin with 'ply'")


def _check_stl(model: Path) -> None:
    """Check that an .stl file is text, or as long as the number of its facets says."""
    head = _head(model, STL_HEADER)
    if head.lstrip().startswith(b"solid") and b"\0" not in head:
        return
    if len(head) < STL_HEADER:
        raise DataError(f"{printable(str(model))}: is no .stl file: {len(head)} bytes are too few")
    _check_size(model, STL_HEADER + STL_FACET * struct.unpack("<I", head[80:])[0])


def _check_size(model: Path, expected: int) -> None:
    size = model.stat().st_size
    if size < expected:
        raise DataError(f"{printable(str(model))}: is cut short: {size} bytes of {expected}; copy it again")


CHECKS = {"glb": _check_glb, "gltf": _check_gltf, "ply": _check_ply, "stl": _check_stl}
