"""The JSON files of the Blender format and of instant-ngp and nerfstudio: read, and their frames' poses checked.

``transform_matrix`` maps camera to world with OpenGL axes (x right, y up, looking along -z).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.core.errors import DataError, reason_of
from nsg_cluster.geometry.poses import check_rigid

__all__ = ["frame_pose", "is_number", "read_document"]


def read_document(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file; all its numbers are floats.

    Raises:
        DataError: The file is missing, cannot be read, or holds something else.
    """
    try:
        # A whole number of any length becomes a float, infinite if need be.
        document = json.loads(file.read_text(encoding="utf-8"), parse_int=float)
    except FileNotFoundError:
        found = ", ".join(sorted(path.name for path in file.parent.glob("transforms*.json"))) or "none"
        raise DataError(f"{file}: there is no such file (transforms files in this folder: {found})") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{error.lineno}: the file is not valid JSON ({error.msg})") from None
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{file}: the file cannot be read ({reason_of(error)})") from None
    if not isinstance(document, dict):
        raise DataError(f"{file}: it must hold a JSON object with camera_angle_x and frames")
    return document


def frame_pose(file: Path, index: int, frame: dict[str, Any]) -> Float[Tensor, "4 4"]:
    """Return the pose of a frame, in float32.

    Raises:
        DataError: It is missing or not rigid.
    """
    rows = frame.get("transform_matrix")
    if not _is_matrix(rows):
        raise DataError(f"{file}: transform_matrix of frame {index} must be four rows of four numbers")
    matrix = torch.tensor(rows, dtype=torch.float64)
    try:
        check_rigid(matrix)
    except ValueError as error:
        raise DataError(f"{file}: transform_matrix of frame {index} is no camera pose: {error}") from None
    return matrix.float()


def _is_matrix(rows: object) -> TypeGuard[list[list[float]]]:
    return (
        isinstance(rows, list)
        and len(rows) == 4
        and all(isinstance(row, list) and len(row) == 4 and all(map(is_number, row)) for row in rows)
    )


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value of a document is a number."""
    return isinstance(value, float)
