"""3D models that ``data render-objects`` rendered, each seen alone, scaled and turned as objects of a drive are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.data import BlenderData
from nsg_cluster.config.lone_objects import ObjectViewsData
from nsg_cluster.core.errors import DataError, RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import ObjectPaths
from nsg_cluster.data.drives.lone_objects import LoneObject, lone_scene
from nsg_cluster.data.photographs.blender import load_blender
from nsg_cluster.data.scene import Scene, Views

__all__ = ["load_object_views"]

FORWARD = {"x": (1.0, 0.0), "-x": (-1.0, 0.0), "y": (0.0, 1.0), "-y": (0.0, -1.0)}


def load_object_views(config: ObjectViewsData) -> Scene:
    """Read the objects of a folder, in the order of their names; their turntables are held out.

    Raises:
        DataError: There is none, a file is missing or broken, or their images differ in size.
    """
    root = Path(config.root)
    folders = sorted(path.parent for path in root.glob("*/objects.json")) if root.is_dir() else []
    if not folders:
        raise DataError(
            f"data.root: '{root}' holds no rendered model, which is a folder with objects.json; "
            "'launch.py data render-objects MODELS --out FOLDER' makes them"
        )
    whole = [(folder, record) for folder in folders[: config.max_objects] if (record := _record(folder)) is not None]
    if not whole:
        raise DataError(f"data.root: no model in '{root}' is rendered to its end; render them again")
    passed_over = len(folders[: config.max_objects]) - len(whole)
    notes = (f"models that are not rendered to their end: {passed_over}",) if passed_over else ()
    found = [_read(folder, lower, upper, config) for folder, (lower, upper) in whole]
    return lone_scene(found, box_scale=config.box_scale, seed=config.seed, notes=notes)


def _record(folder: Path) -> tuple[Float[Tensor, " 3"], Float[Tensor, " 3"]] | None:
    """Return the box of a model in the world of its views; None where it is not rendered to its end."""
    try:
        record = read_json(ObjectPaths(folder).record)
        if record.get("complete") is not True:
            return None
        lower, upper = (torch.tensor(record[key], dtype=torch.float32) for key in ("lower", "upper"))
    except (RunError, KeyError, AttributeError, ValueError, TypeError) as error:
        raise DataError(f"{folder}/objects.json: is not what data render-objects writes ({error})") from None
    return lower, upper


def _read(folder: Path, lower: Float[Tensor, " 3"], upper: Float[Tensor, " 3"], config: ObjectViewsData) -> LoneObject:
    """Return an object: the rows of the turn are its forward, down and left in the world of its views (z up)."""
    scene = load_blender(BlenderData(kind="blender", root=str(folder), test_split="test"))
    x, y = FORWARD[config.forward]
    turn = torch.tensor([[x, y, 0.0], [0.0, 0.0, -1.0], [-y, x, 0.0]])
    scale = config.length / float((upper - lower).max())
    size = (scale * (turn @ (upper - lower)).abs()).tolist()
    moved = [_moved(views, turn, (lower + upper) / 2, scale) for views in (scene.train, scene.test)]
    return LoneObject(name=folder.name, size=(size[0], size[1], size[2]), train=moved[0], test=moved[1])


def _moved(views: Views, turn: Float[Tensor, "3 3"], middle: Float[Tensor, " 3"], scale: float) -> Views:
    pose = views.cameras.camera_to_world
    places = scale * (turn @ (pose[:, :, 3] - middle)[:, :, None])
    return replace(
        views, cameras=replace(views.cameras, camera_to_world=torch.cat([turn @ pose[:, :, :3], places], dim=2))
    )
