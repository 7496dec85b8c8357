"""RTMV (https://arxiv.org/abs/2205.07058): ``00000.json`` and so on, one for each image.

``cam2world`` is written column by column, with OpenGL axes. The images that NVIDIA publishes are EXR files, which have
to be made 8-bit PNG files in ``images/`` first, tone-mapped by the sRGB curve, as ngp_pl's ``prepare_rtmv.py`` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.data import RtmvData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.photographs.assemble import cube, moved, scene_of_splits
from nsg_cluster.data.photographs.normalize import Similarity
from nsg_cluster.data.photographs.shots import Shots, scene_folder
from nsg_cluster.data.photographs.transforms_file import frame_pose, is_number, read_document
from nsg_cluster.data.scene import Scene

__all__ = ["load_rtmv"]

ENLARGE = 1.05


def load_rtmv(config: RtmvData) -> Scene:
    """Read a scene of RTMV, its box brought to the cube of ``bound``.

    Raises:
        DataError: A file is missing or broken, or nothing is left to be held out.
    """
    root = scene_folder(config.root, "00000.json")
    files = sorted(root.glob("[0-9]*.json"))
    if not files:
        raise DataError(f"data.root: there is no 00000.json in '{root}': set it to the folder of one scene")
    if len(files) <= config.train_images:
        raise DataError(f"{root}: data.train_images {config.train_images} leaves none of {len(files)} to be held out")
    cameras = [_camera(file) for file in files]
    frame = _frame(files[0], cameras[0], config.bound)
    shots = moved(_shots(root, files, cameras), frame)
    train, test = shots.chosen(range(config.train_images)), shots.chosen(range(config.train_images, len(files)))
    return scene_of_splits(config, train, test, cube(config.bound))


def _camera(file: Path) -> dict[str, Any]:
    camera = read_document(file).get("camera_data")
    if not isinstance(camera, dict):
        raise DataError(f"{file}: it has no camera_data")
    return camera


def _frame(file: Path, camera: dict[str, Any], bound: float) -> Similarity:
    low, high = (_corner(file, camera, key) for key in ("scene_min_3d_box", "scene_max_3d_box"))
    if not bool((high > low).all()):
        raise DataError(f"{file}: scene_min_3d_box {low.tolist()} is not below scene_max_3d_box {high.tolist()}")
    half = 0.5 * float((high - low).max()) * ENLARGE
    return Similarity(scale=bound / half, rotation=torch.eye(3).double(), center=0.5 * (low + high))


def _corner(file: Path, camera: dict[str, Any], key: str) -> Float[Tensor, " 3"]:
    value = camera.get(key)
    if not isinstance(value, list) or len(value) != 3 or not all(map(is_number, value)):
        raise DataError(f"{file}: {key} must be three numbers and is {value!r}")
    return torch.tensor(value, dtype=torch.float64)


def _shots(root: Path, files: list[Path], cameras: list[dict[str, Any]]) -> Shots:
    folder = root / "images" if (root / "images").is_dir() else root
    poses = []
    for index, (file, camera) in enumerate(zip(files, cameras, strict=True)):
        columns = camera.get("cam2world")
        rows = [list(row) for row in zip(*columns, strict=False)] if isinstance(columns, list) else columns
        poses.append(frame_pose(file, index, {"transform_matrix": rows}).double()[:3])
    numbers = torch.tensor(
        [_numbers(file, camera) for file, camera in zip(files, cameras, strict=True)], dtype=torch.float64
    )
    return Shots(
        file=root,
        images=tuple(folder / f"{file.stem}.png" for file in files),
        camera_to_world=torch.stack(poses),
        size_px=numbers[:, :2],
        focal_px=numbers[:, 2:4],
        center_px=numbers[:, 4:],
    )


def _numbers(file: Path, camera: dict[str, Any]) -> list[float]:
    """Return width, height, focal lengths and principal point."""
    intrinsics = camera.get("intrinsics")
    values = {**camera, **(intrinsics if isinstance(intrinsics, dict) else {})}
    found = [values.get(key) for key in ("width", "height", "fx", "fy", "cx", "cy")]
    if not all(map(is_number, found)):
        raise DataError(f"{file}: camera_data must have the numbers width, height and intrinsics fx, fy, cx, cy")
    return [float(value) for value in found if is_number(value)]
