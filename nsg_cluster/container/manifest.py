"""What is known about an image: a JSON file beside it, with its digest, its labels and what it was built from.

An image lies at ``<storage>/images/<name>-<12 digits of its digest>.sif``. A digest is SHA-256, in hexadecimal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import read_json, write_json

__all__ = ["Manifest", "file_digest", "is_image", "manifests", "read_manifest", "text_digest", "write_manifest"]

SCHEMA = 1
CHUNK = 1 << 20
# The launcher line that makes a SIF file executable, the magic word behind it, and what an OCI-SIF has in common.
MAGIC, MAGIC_AT = b"SIF_MAGIC", 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Content of the file beside an image."""

    name: str
    """What people call it: the Dockerfile's name and its folder's."""
    image: str
    """File name of the image."""
    digest: str
    """Of the image."""
    size: int
    """Of the image, in bytes."""
    created: float
    """When it was built, in unix seconds."""
    recipe: str
    """Absolute path of the Dockerfile, archive or definition."""
    builder: str
    """How it was built: ``definition``, ``docker-archive``, ``oci`` or ``file``."""
    program: str
    """What built it, such as ``apptainer 1.4.5``."""
    inputs: Mapping[str, str]
    """Digest of everything that the image follows from, by name: files of the context, arguments, bases."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for besides the recipe: arguments, bases, wheels, …"""
    labels: Mapping[str, str] = field(default_factory=dict)
    losses: tuple[str, ...] = ()
    """What the definition says in another way than the Dockerfile, or cannot say."""
    host: str = ""
    schema: int = SCHEMA


def is_image(path: Path) -> bool:
    """Return whether a file begins as a SIF file does."""
    try:
        with path.open("rb") as file:
            return MAGIC in file.read(MAGIC_AT + len(MAGIC))
    except OSError:
        return False


def beside(image: Path) -> Path:
    """Return where the manifest of an image is."""
    return image.with_suffix(".json")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of an image that lies in a folder.

    Raises:
        RunError: It cannot be written.
    """
    write_json(beside(folder / manifest.image), asdict(manifest))


def read_manifest(image: Path) -> Manifest | None:
    """Return the manifest of an image; ``None`` where it has none that can be read."""
    try:
        content = read_json(beside(image))
        if content["schema"] != SCHEMA:
            return None
        values = {each.name: content[each.name] for each in fields(Manifest)}
        return Manifest(**{**values, "losses": tuple(values["losses"])})
    except (RunError, KeyError, TypeError):
        return None


def manifests(folder: Path) -> list[tuple[Path, Manifest]]:
    """Return the images of a folder that are there and whole in length, newest first."""
    found = []
    for path in folder.glob("*.json") if folder.is_dir() else ():
        manifest = read_manifest(path)
        if manifest is None:
            continue
        image = folder / manifest.image
        if image.is_file() and image.stat().st_size == manifest.size:
            found.append((image, manifest))
    return sorted(found, key=lambda entry: -entry[1].created)


def file_digest(path: Path) -> str:
    """Return the digest of a file's content.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def text_digest(text: str) -> str:
    """Return the digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
