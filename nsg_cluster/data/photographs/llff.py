"""``poses_bounds.npy`` of LLFF: a row of 17 numbers for each image, in the order of their names.

Fifteen are a 3x5 matrix: axes of the camera (down, right, back), its position, and height, width, focal length of the
full image; two are the distances between which things are seen; an eighteenth is the exposure time in seconds, in the
files of HDR-NeRF (``poses_bounds_exps.npy``). Sources: LLFF (https://arxiv.org/abs/1905.00889), and NeRF
(https://arxiv.org/abs/2003.08934), whose scale puts the nearest thing at 4/3.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.data import LlffData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.photographs.assemble import cube, scene_of_all
from nsg_cluster.data.photographs.exposures import exposed, hold_out_exposures, with_exposures
from nsg_cluster.data.photographs.normalize import Similarity
from nsg_cluster.data.photographs.shots import Shots, scene_folder
from nsg_cluster.data.scene import Scene, Views

__all__ = ["load_llff"]

NEAREST = 0.75
"""Inverse of the distance of the nearest thing after scaling (NeRF's ``bd_factor``)."""
NDC_FAR = 8.0
"""More than the length of any ray through the box in normalized device coordinates."""
ENDINGS = {".png", ".jpg", ".jpeg"}


def load_llff(config: LlffData) -> Scene:
    """Read a scene of LLFF.

    Raises:
        DataError: The file or an image is missing or broken, or there are more or fewer images than poses.
    """
    root = scene_folder(config.root, config.file)
    file = root / config.file
    rows = _rows(file)
    shots = exposed(config, _shots(file, _images(root / config.images), rows))
    nearest = float(rows[:, 15].min())
    split = hold_out_exposures if config.hold_out == "exposures" else None
    if config.views == "around":
        return scene_of_all(config, shots, split=split)

    def forward_frame(camera_to_world: Float[Tensor, "images 3 4"]) -> Similarity:
        return _forward_frame(camera_to_world, nearest)

    scene = scene_of_all(config, shots, frame=forward_frame, split=split)
    return _in_ndc(scene, config.bound) if config.space == "ndc" else scene


def _rows(file: Path) -> Float[Tensor, "images numbers"]:
    """Return the numbers of the file: 17 in a row, or 18 with an exposure time at the end.

    Raises:
        DataError: It is missing, or holds something else.
    """
    try:
        found = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file: set data.root to the folder that holds it") from None
    except (OSError, ValueError, EOFError):
        # What NumPy says advises to run what is in the file.
        raise DataError(f"{file}: it cannot be read as an array of numbers: write it again with LLFF") from None
    if found.ndim != 2 or found.shape[1] not in {17, 18} or found.dtype.kind not in "fiu":
        raise DataError(
            f"{file}: it must hold a row of 17 numbers for each image (18 with exposures) and is {found.dtype} "
            f"{found.shape}"
        )
    rows = torch.from_numpy(found.astype(np.float64))
    if not bool(rows.isfinite().all()):
        raise DataError(f"{file}: row {int((~rows.isfinite()).nonzero()[0, 0])} has a value that is not finite")
    wrong = (rows[:, 15] <= 0) | (rows[:, 16] <= rows[:, 15])
    if bool(wrong.any()):
        index = int(wrong.nonzero()[0])
        near, far = rows[index, 15:].tolist()
        raise DataError(f"{file}: the bounds of row {index} are {near:g} and {far:g}; they must be 0 < near < far")
    if rows.shape[1] == 18 and bool((rows[:, 17] <= 0).any()):
        index = int((rows[:, 17] <= 0).nonzero()[0])
        raise DataError(f"{file}: the exposure of row {index} is {float(rows[index, 17]):g}; it must be more than 0 s")
    return rows


def _images(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        found = ", ".join(sorted(path.name for path in folder.parent.glob("images*"))) or "none"
        raise DataError(f"data.images: there is no folder '{folder}' (folders of images beside it: {found})")
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS))


def _shots(file: Path, images: tuple[Path, ...], rows: Float[Tensor, "images numbers"]) -> Shots:
    matrices = rows[:, :15].reshape(-1, 3, 5)
    if len(images) != len(matrices):
        where = images[0].parent if images else "the folder of images"
        raise DataError(
            f"{file}: it has {len(matrices)} rows, and there are {len(images)} images in {where}: each row belongs to "
            "one image, in the order of names; put back what is missing, or set data.images"
        )
    down, right, back, position = matrices[:, :, :4].unbind(2)
    size = matrices[:, :, 4][:, [1, 0]]
    shots = Shots(
        file=file,
        images=images,
        camera_to_world=torch.stack([right, -down, back, position], dim=2),
        size_px=size,
        focal_px=matrices[:, 2, 4][:, None].expand(-1, 2),
        center_px=0.5 * size,
    )
    return with_exposures(shots, rows[:, 17].tolist()) if rows.shape[1] == 18 else shots


def _forward_frame(camera_to_world: Float[Tensor, "images 3 4"], nearest: float) -> Similarity:
    """Return the frame in which the mean camera stands at the origin and looks along -z with y up."""
    back = camera_to_world[:, :, 2].mean(dim=0)
    back = back / back.norm()
    right = torch.linalg.cross(camera_to_world[:, :, 1].mean(dim=0), back)
    right = right / right.norm()
    return Similarity(
        scale=1.0 / (NEAREST * nearest),
        rotation=torch.stack([right, torch.linalg.cross(back, right), back]),
        center=camera_to_world[:, :, 3].mean(dim=0),
    )


def _in_ndc(scene: Scene, bound: float) -> Scene:
    """Return a scene whose rays run through normalized device coordinates, from z = -1 to z = 1."""
    box = cube(bound)
    box[:, 2] = torch.tensor([-1.0, 1.0])
    return replace(scene, train=_warped(scene.train), test=_warped(scene.test), box=box, near=0.0, far=NDC_FAR)


def _warped(views: Views) -> Views:
    return replace(views, cameras=replace(views.cameras, ndc=True))
