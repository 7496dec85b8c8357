"""A model's file made ready for Blender in a scratch folder, under a plain name, and looked at on the way.

Blender runs on names without blanks, newlines and signs that it fills in, and on files that are what they claim to be.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nsg_cluster.core.errors import DataError, did_you_mean
from nsg_cluster.core.logs import printable
from nsg_cluster.objects.gltf import Reference, document_of, references
from nsg_cluster.objects.materials import Materials, collect_materials
from nsg_cluster.objects.obj_text import TOO_MANY, ObjSummary, copy_obj

__all__ = ["Staged", "stage"]

LIBRARY = "materials.mtl"
GLB_HEADER = 12
PLY_HEADER = 1 << 16
STL_HEADER = 84
STL_FACET = 50


@dataclass(frozen=True, slots=True)
class Staged:
    """What Blender is given."""

    file: Path
    format: str
    """Ending in small letters, without the dot."""
    notes: tuple[str, ...]
    scratch: Path
    """Folder for what is not to stay."""
    textures: Mapping[str, str]
    """What Blender calls each texture, and its own name."""


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
        notes = (*summary.notes, *materials.notes, *_unknown(summary, materials))
        textures = {link: path.name for path, link in materials.textures.items()}
        return Staged(target, kind, notes, scratch, textures)
    CHECKS[kind](model)
    _refuse_many(model, _faces(model, kind), max_faces)
    named = list(references(model, document_of(model))) if kind in {"glb", "gltf"} else []
    notes = tuple(_missing(model, named))
    if named:
        return Staged(model, kind, notes, scratch, {})  # it names its buffers and textures relative to itself
    target.symlink_to(model)
    return Staged(target, kind, notes, scratch, {})


def _faces(model: Path, kind: str) -> int:
    """Return the number of faces that the head of a file tells, none where it tells none."""
    head = _head(model, PLY_HEADER)
    if kind == "ply":
        found = re.search(rb"^element\s+face\s+(\d{1,18})\s*$", head, re.MULTILINE)
        return int(found[1]) if found else 0
    if kind == "stl" and len(head) >= STL_HEADER and not _is_text(head[:STL_HEADER]):
        return int(struct.unpack("<I", head[80:STL_HEADER])[0])
    return 0


def _refuse_many(model: Path, faces: int, most: int) -> None:
    if faces > most:
        raise DataError(f"{printable(str(model))}: has {faces} faces: {TOO_MANY.format(most=most)}")


def _unknown(summary: ObjSummary, materials: Materials) -> Iterator[str]:
    """Yield what there is to say of materials that are used and that the material files do not have."""
    used = [name.decode("utf-8", errors="surrogateescape") for name in summary.materials]
    unknown = [name for name in used if name not in materials.names]
    if materials.libraries and unknown:
        more = f" (and {len(unknown) - 1} others)" if len(unknown) > 1 else ""
        near = did_you_mean(unknown[0], materials.names)
        yield f"the material '{printable(unknown[0])}'{more} is in no material file: plain gray is used.{near}"


def _missing(model: Path, named: list[Reference]) -> Iterator[str]:
    """Yield what there is to say of images that a glTF names and that are not there.

    Raises:
        DataError: A buffer is missing, without which there is no geometry.
    """
    for each in named:
        if not each.is_there and each.kind == "buffers":
            raise DataError(
                f"{printable(str(model))}: its buffer '{printable(each.uri)}' is missing: copy it to where it belongs"
            )
        if not each.is_there:
            yield f"the texture '{printable(each.uri)}' is missing: the material's plain color is used"


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
    head = _head(model, GLB_HEADER)
    if len(head) < GLB_HEADER or head[:4] != b"glTF":
        raise DataError(f"{printable(str(model))}: is no binary glTF: it does not begin with 'glTF'")
    _check_size(model, struct.unpack("<I", head[8:])[0])


def _check_gltf(model: Path) -> None:
    _head(model, 1)
    document_of(model)


def _check_ply(model: Path) -> None:
    if not _head(model, 4).startswith(b"ply"):
        raise DataError(f"{printable(str(model))}: is no .ply file: it does not begin with 'ply'")


def _check_stl(model: Path) -> None:
    """Check that an .stl file is text, or as long as the number of its facets says."""
    head = _head(model, STL_HEADER)
    if _is_text(head):
        return
    if len(head) < STL_HEADER:
        raise DataError(f"{printable(str(model))}: is no .stl file: {len(head)} bytes are too few")
    _check_size(model, STL_HEADER + STL_FACET * struct.unpack("<I", head[80:])[0])


def _is_text(head: bytes) -> bool:
    """Return whether an .stl file that begins so is text."""
    return head.lstrip().startswith(b"solid") and b"\0" not in head


def _check_size(model: Path, expected: int) -> None:
    size = model.stat().st_size
    if size < expected:
        raise DataError(f"{printable(str(model))}: is cut short: {size} bytes of {expected}; copy it again")


CHECKS = {"glb": _check_glb, "gltf": _check_gltf, "ply": _check_ply, "stl": _check_stl}
