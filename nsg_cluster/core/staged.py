"""Data that was copied to a node for the length of a job: whoever reads a folder asks here where it is now."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["redirect", "staged"]

# Variables, so that processes which this one starts read the copy as well.
ORIGINAL, COPY = "NSG_STAGED_ORIGINAL", "NSG_STAGED_COPY"


def redirect(original: Path | str, copy: Path | str) -> None:
    """Let this process read a copy in the place of a folder and of what is in it."""
    os.environ[ORIGINAL], os.environ[COPY] = str(original), str(copy)


def staged(path: str) -> str:
    """Return where a folder is to be read: its copy if there is one, otherwise the folder itself."""
    original, copy = os.environ.get(ORIGINAL), os.environ.get(COPY)
    if not original or not copy:
        return path
    try:
        return str(Path(copy) / Path(path).relative_to(original))
    except ValueError:
        return path
