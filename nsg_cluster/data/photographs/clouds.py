"""Point clouds in PLY files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from nsg_cluster.core.errors import DataError, MachineError

__all__ = ["read_cloud"]


def read_cloud(file: Path) -> Float[np.ndarray, "points 3"]:
    """Return the positions of the points of a PLY file.

    Raises:
        DataError: The file is no PLY file.
        MachineError: The package that reads it is missing.
    """
    try:
        from trimesh.exchange.ply import load_ply
    except ImportError:
        raise MachineError(f"{file}: the package trimesh reads it, and is missing: pip install trimesh") from None
    try:
        with file.open("rb") as stream:
            found = load_ply(stream)
        vertices = np.asarray(found.get("vertices", ()), dtype=np.float64).reshape(-1, 3)
    except (ValueError, KeyError, IndexError, AttributeError, TypeError, EOFError) as error:
        raise DataError(f"{file}: it cannot be read as a PLY file ({error}): write it again") from None
    return vertices[np.isfinite(vertices).all(axis=1)]
