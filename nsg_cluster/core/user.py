"""Who runs this process, and in which image."""

from __future__ import annotations

import getpass
import os

__all__ = ["image_here", "user_name"]


def user_name() -> str:
    """Return the name of this user; the number where it has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def image_here() -> str | None:
    """Return the image that this process runs in; ``None`` where Apptainer or SingularityCE has not started it."""
    return os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER") or None
