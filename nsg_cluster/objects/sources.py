"""Every file that the rendering of a model reads, and what it holds: views are of these bytes and no others."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nsg_cluster.core.errors import DataError
from nsg_cluster.core.logs import printable
from nsg_cluster.objects.gltf import document_of, references
from nsg_cluster.objects.materials import collect_materials
from nsg_cluster.objects.obj_text import libraries_of

__all__ = ["Source", "sources_of"]

BLOCK = 1 << 20
DIGITS = 16


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a model consists of."""

    name: str
    """Seen from the folder of the model; the whole path where it lies somewhere else."""
    digest: str
    """Of its bytes; nothing where it cannot be read."""


def sources_of(model: Path) -> tuple[Source, ...]:
    """Return the model's own file, then what it draws in, in the order in which it does; what is missing is left out.

    Raises:
        DataError: The model's own file cannot be read, or it names too much.
    """
    try:
        own = Source(model.name, _digest(model))
    except OSError as error:
        raise DataError(f"{printable(str(model))}: cannot be read: {error.strerror}") from None
    found = dict.fromkeys(path.resolve() for path in _drawn_in(model))
    folder = model.parent.resolve()
    return (own, *(Source(_name(path, folder), _digest_if_readable(path)) for path in found))


def _drawn_in(model: Path) -> Iterator[Path]:
    kind = model.suffix.lower()
    if kind == ".obj":
        materials = collect_materials(model, libraries_of(model))
        yield from (*materials.libraries, *materials.textures)
    elif kind in {".gltf", ".glb"}:
        # What is wrong with the model is said when it is made ready for Blender.
        with contextlib.suppress(DataError):
            yield from (named.path for named in references(model, document_of(model)) if named.is_there)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()[:DIGITS]


def _digest_if_readable(path: Path) -> str:
    with contextlib.suppress(OSError):
        return _digest(path)
    return ""


def _name(path: Path, folder: Path) -> str:
    if path.is_relative_to(folder):
        return str(path.relative_to(folder))
    if path.is_relative_to(folder.parent):
        return str(Path("..", path.relative_to(folder.parent)))
    return str(path)
