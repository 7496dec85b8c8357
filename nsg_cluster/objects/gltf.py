"""Which files a .gltf or .glb model draws in beside itself.

The format is Khronos' glTF 2.0: buffers and images have a ``uri``, which is a relative reference (section 2.8) or holds
the data itself; a .glb begins with a header of 12 bytes and its JSON chunk (section 4.4).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from nsg_cluster.core.errors import DataError
from nsg_cluster.core.logs import printable

__all__ = ["Reference", "document_of", "references"]

HEADER = 20
JSON_CHUNK = b"JSON"
Kind = Literal["buffers", "images"]
KINDS: tuple[Kind, ...] = ("buffers", "images")


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that a document names."""

    kind: Kind
    """The list in which it stands."""
    uri: str
    """As written."""
    path: Path

    @property
    def is_there(self) -> bool:
        """Whether there is such a file."""
        try:
            return self.path.is_file()
        except (OSError, ValueError):
            return False


def document_of(model: Path) -> dict[str, Any]:
    """Return the JSON document of a model.

    Raises:
        DataError: It cannot be read, or is no glTF.
    """
    try:
        document = json.loads(_text(model))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{printable(str(model))}: is no glTF: {error}") from None
    except OSError as error:
        raise DataError(f"{printable(str(model))}: cannot be read: {error.strerror}") from None
    if not isinstance(document, dict) or "asset" not in document:
        raise DataError(f"{printable(str(model))}: is no glTF: it has no 'asset'")
    return document


def _text(model: Path) -> bytes:
    with model.open("rb") as file:
        if model.suffix.lower() != ".glb":
            return file.read()
        head = file.read(HEADER)
        if len(head) < HEADER or head[16:] != JSON_CHUNK:
            raise ValueError("it does not begin with a JSON chunk")
        return file.read(struct.unpack("<I", head[12:16])[0])


def references(model: Path, document: dict[str, Any]) -> Iterator[Reference]:
    """Yield the files that a document names, in its order, also those that are missing."""
    for kind in KINDS:
        entries = document.get(kind)
        for entry in entries if isinstance(entries, list) else ():
            uri = entry.get("uri") if isinstance(entry, dict) else None
            if isinstance(uri, str) and not uri.startswith("data:"):
                # As Blender's importer reads it.
                yield Reference(kind, uri, model.parent / unquote(uri.replace("\\", "/")))
