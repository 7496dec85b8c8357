"""The layout of NeRF++ (https://arxiv.org/abs/2010.07492): ``train`` and ``test`` with rgb, pose and intrinsics."""

from __future__ import annotations

from pathlib import Path

import torch

from nsg_cluster.config.data import NerfppData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.images import image_size
from nsg_cluster.data.photographs.assemble import cube, scene_of_splits
from nsg_cluster.data.photographs.shots import Shots, scene_folder
from nsg_cluster.data.photographs.text_poses import poses_without_images, read_numbers, read_pose
from nsg_cluster.data.scene import Scene

__all__ = ["load_nerfpp"]

ENDINGS = {".png", ".jpg", ".jpeg"}


def load_nerfpp(config: NerfppData) -> Scene:
    """Read a scene in the layout of NeRF++; its cameras stand in the unit ball already.

    Raises:
        DataError: A file is missing or broken.
    """
    root = scene_folder(config.root, "train and test")
    train, test = _shots(root / "train"), _shots(root / "test")
    notes = [poses_without_images(shots.file / "pose", shots.images) for shots in (train, test)]
    return scene_of_splits(config, train, test, cube(config.bound), notes=notes[0] + notes[1])


def _shots(folder: Path) -> Shots:
    if not (folder / "rgb").is_dir():
        raise DataError(f"data.root: there is no folder '{folder / 'rgb'}': set data.root to the folder above both")
    images = sorted(path for path in (folder / "rgb").iterdir() if path.suffix.lower() in ENDINGS)
    if not images:
        raise DataError(f"{folder / 'rgb'}: there is no image in it")
    matrices = []
    for image in images:
        file = folder / "intrinsics" / f"{image.stem}.txt"
        numbers = read_numbers(file)
        if len(numbers) != 16:
            raise DataError(f"{file}: a 4x4 matrix of intrinsics has 16 numbers, and these are {len(numbers)}")
        matrices.append(numbers.view(4, 4))
    intrinsics = torch.stack(matrices)
    return Shots(
        file=folder,
        images=tuple(images),
        camera_to_world=torch.stack([read_pose(folder / "pose" / f"{image.stem}.txt") for image in images]),
        size_px=torch.tensor([image_size(image) for image in images], dtype=torch.float64),
        focal_px=torch.stack([intrinsics[:, 0, 0], intrinsics[:, 1, 1]], dim=1),
        center_px=intrinsics[:, :2, 2],
    )
