"""A data set that was rendered from a 3D model: the Blender format, with exact depth and the box of the model.

Rendering starts a program, Blender, and so belongs to the control plane: `nsg_cluster.objects` does it before a
training begins. Here the finished data set is read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.data import BlenderData
from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.errors import DataError, RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import ObjectPaths
from nsg_cluster.data.photographs.blender import load_blender
from nsg_cluster.data.scene import Scene, Views

__all__ = ["load_objects"]

# The pixels along a silhouette are partly outside of the model.
MARGIN = 1.05


def load_objects(config: ObjectsData) -> Scene:
    """Read what was rendered from a model; the turntable is held out.

    Raises:
        DataError: It has not been rendered, or a file of it is missing or broken.
    """
    paths = ObjectPaths(config.folder)
    record = _record(paths, config)
    lower, upper = (torch.tensor(record[key], dtype=torch.float32) for key in ("lower", "upper"))
    middle, half = 0.5 * (lower + upper), MARGIN * 0.5 * float((upper - lower).max())
    reach = MARGIN * float(record["radius"])
    distance, offset = config.cameras.radius, float(middle.norm())
    scene = load_blender(
        BlenderData(
            kind="blender",
            root=str(paths.root),
            test_split="test",
            max_train_views=config.max_train_views,
            near=max(0.0, distance - offset - reach),
            far=distance + offset + reach,
        )
    )
    return replace(
        scene,
        train=_with_depth(scene.train, paths, "train", config),
        test=_with_depth(scene.test, paths, "test", config),
        box=torch.stack([middle - half, middle + half]),
        notes=(*scene.notes, *map(str, record.get("notes", ()))),
    )


def _record(paths: ObjectPaths, config: ObjectsData) -> dict[str, Any]:
    try:
        record = read_json(paths.record)
    except RunError:
        record = {}
    if not isinstance(record, dict) or record.get("complete") is not True:
        raise DataError(
            f"{paths.root}: the views of {config.model} are not rendered yet, or not all: "
            f"'launch.py data render-objects FILE.yaml' renders them, and so does a run of the experiment"
        )
    return record


def _with_depth(views: Views, paths: ObjectPaths, split: str, config: ObjectsData) -> Views:
    if not config.depth:
        return views
    depth = [_depth(paths.root / split / f"{name}_depth.npy", config.image_size) for name in views.names]
    return replace(views, depth=torch.stack(depth))


def _depth(file: Path, size: int) -> Float[Tensor, "height width"]:
    try:
        depth = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file}: cannot be read ({error}): remove it, and render the model again") from None
    if depth.shape != (size, size):
        raise DataError(f"{file}: has the shape {depth.shape} instead of ({size}, {size}): render the model again")
    return torch.from_numpy(depth.astype(np.float32))
