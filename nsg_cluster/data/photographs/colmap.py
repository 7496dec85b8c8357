"""A reconstruction by COLMAP: the scenes of mip-NeRF 360, and those of most people's own photographs.

All camera models are read. Lenses are those of OpenCV with four radial and two tangential coefficients, in which most
of COLMAP's are written exactly; the others are fitted by them within a quarter of a pixel, or refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.data import ColmapData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.photographs.assemble import scene_of_all
from nsg_cluster.data.photographs.colmap_files import (
    ColmapCamera,
    ColmapImage,
    read_cameras,
    read_images_of_colmap,
    read_points,
)
from nsg_cluster.data.photographs.exposures import all_exposures, exposed, hold_out_exposures
from nsg_cluster.data.photographs.shots import Shots, scene_folder
from nsg_cluster.data.photographs.text_poses import opengl_axes
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import Lens

__all__ = ["load_colmap"]

WORST_FIT_PX = 0.25
"""Largest error at which a lens counts as fitted."""
ONE_FOCAL_LENGTH = {"SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"}
# Where the coefficients of each exactly expressible model go in (k1, k2, k3, k4, p1, p2).
EXACT: dict[str, tuple[Lens, tuple[int, ...]]] = {
    "SIMPLE_PINHOLE": ("pinhole", ()),
    "PINHOLE": ("pinhole", ()),
    "SIMPLE_RADIAL": ("opencv", (0,)),
    "RADIAL": ("opencv", (0, 1)),
    "OPENCV": ("opencv", (0, 1, 4, 5)),
    "OPENCV_FISHEYE": ("fisheye", (0, 1, 2, 3)),
    "SIMPLE_RADIAL_FISHEYE": ("fisheye", (0,)),
    "RADIAL_FISHEYE": ("fisheye", (0, 1)),
}
Radial = Callable[[Float[np.ndarray, " radii"]], Float[np.ndarray, " radii"]]


def load_colmap(config: ColmapData) -> Scene:
    """Read a scene from COLMAP's files.

    Raises:
        DataError: A file or an image is missing or broken, or a lens cannot be fitted.
    """
    root = scene_folder(config.root, config.sparse)
    sparse, folder = root / config.sparse, root / config.images
    cameras, images = read_cameras(sparse), read_images_of_colmap(sparse)
    if not images:
        raise DataError(f"{sparse}: COLMAP has registered no image")
    if not folder.is_dir():
        found = ", ".join(sorted(path.name for path in root.glob("images*"))) or "none"
        raise DataError(f"data.images: there is no folder '{folder}' (folders of images beside it: {found})")
    unknown = [image for image in images if image.camera not in cameras]
    if unknown:
        raise DataError(f"{sparse}: {unknown[0].name} was taken by camera {unknown[0].camera}, which is not listed")
    lenses = {number: _lens(sparse, cameras[number]) for number in {image.camera for image in images}}
    kinds = sorted({kind for kind, _ in lenses.values()} - {"pinhole"})
    if len(kinds) > 1:
        raise DataError(f"{sparse}: its cameras have lenses of kinds {', '.join(kinds)}; one kind can be read")
    used = [cameras[image.camera] for image in images]
    shots = Shots(
        file=sparse,
        images=tuple(folder / image.name for image in images),
        camera_to_world=_poses(images),
        size_px=torch.tensor([[camera.width, camera.height] for camera in used], dtype=torch.float64),
        focal_px=torch.tensor([_focal(camera) for camera in used], dtype=torch.float64),
        center_px=torch.tensor([_center(camera) for camera in used], dtype=torch.float64),
        distortion=torch.tensor([lenses[image.camera][1] for image in images], dtype=torch.float64) if kinds else None,
        lens=kinds[0] if kinds else "pinhole",
    )
    if config.exposures is not None:
        taken = all_exposures(sparse, shots.images, len(config.exposures))
        shots = replace(shots.chosen([index for index, _ in taken]), images=tuple(image for _, image in taken))
    split = hold_out_exposures if config.hold_out == "exposures" else None
    return scene_of_all(config, exposed(config, shots), points=torch.from_numpy(read_points(sparse)), split=split)


def _focal(camera: ColmapCamera) -> tuple[float, float]:
    x = camera.parameters[0]
    return x, (x if camera.model in ONE_FOCAL_LENGTH else camera.parameters[1])


def _center(camera: ColmapCamera) -> tuple[float, float]:
    first = 1 if camera.model in ONE_FOCAL_LENGTH else 2
    return camera.parameters[first], camera.parameters[first + 1]


def _poses(images: list[ColmapImage]) -> Float[Tensor, "images 3 4"]:
    """Return camera-to-world matrices with OpenGL axes."""
    q = torch.tensor([image.quaternion for image in images], dtype=torch.float64)
    w, x, y, z = (q / q.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    world_to_camera = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    translation = torch.tensor([image.translation for image in images], dtype=torch.float64)
    turned = world_to_camera.transpose(1, 2)
    return opengl_axes(torch.cat([turned, -turned @ translation[:, :, None]], dim=2))


def _lens(file: Path, camera: ColmapCamera) -> tuple[Lens, list[float]]:
    """Return the kind of a lens and its coefficients (k1, k2, k3, k4, p1, p2).

    Raises:
        DataError: It cannot be fitted.
    """
    coefficients = [0.0] * 6
    own = camera.parameters[3 if camera.model in ONE_FOCAL_LENGTH else 4 :]
    if camera.model in EXACT:
        kind, places = EXACT[camera.model]
        for place, value in zip(places, own, strict=True):
            coefficients[place] = value
        return kind, coefficients
    if camera.model == "FULL_OPENCV":
        k1, k2, coefficients[4], coefficients[5], k3, *below = own
        kind, radial = "opencv", _ratio((k1, k2, k3), tuple(below))
    elif camera.model == "FOV":
        kind, radial = "opencv", _field_of_view(own[0])
    else:
        k1, k2, *thin, k3, k4, sx1, sy1 = own
        if any((*thin, sx1, sy1)):
            raise DataError(
                f"{file}: camera model {camera.model}: its tangential and prism coefficients {*thin, sx1, sy1} cannot "
                f"be expressed; undistort the images with COLMAP first"
            )
        return "fisheye", [k1, k2, k3, k4, 0.0, 0.0]
    coefficients[:4] = _fitted(file, camera, radial)
    return kind, coefficients


def _ratio(above: tuple[float, ...], below: tuple[float, ...]) -> Radial:
    def scale(r: Float[np.ndarray, " radii"]) -> Float[np.ndarray, " radii"]:
        top = 1 + sum(k * r ** (2 * power) for power, k in enumerate(above, 1))
        bottom = 1 + sum(k * r ** (2 * power) for power, k in enumerate(below, 1))
        return np.asarray(top / bottom)

    return scale


def _field_of_view(omega: float) -> Radial:
    """Return the factor on radii of a lens after Devernay and Faugeras, by the angle that it is made for."""

    def scale(r: Float[np.ndarray, " radii"]) -> Float[np.ndarray, " radii"]:
        safe = np.maximum(r, 1e-9)
        result: np.ndarray = np.arctan(2 * safe * np.tan(omega / 2)) / (omega * safe)
        return result

    return scale if abs(omega) > 1e-9 else np.ones_like


def _fitted(file: Path, camera: ColmapCamera, radial: Radial) -> list[float]:
    """Return the four coefficients that fit a radial lens best within its image.

    Raises:
        DataError: The best is off by more than `WORST_FIT_PX`.
    """
    focal, center = _focal(camera), _center(camera)
    sides = (camera.width, camera.height)
    # How far from the middle the lens shows the corner of the image; without a lens that may be much farther.
    reach = math.hypot(*(max(c, side - c) / f for c, side, f in zip(center, sides, focal, strict=True)))
    r = np.linspace(0, 4 * reach, 2000)[1:]
    kept = r[r * radial(r) <= reach]
    matrix = np.stack([kept ** (2 * power + 1) for power in range(1, 5)], axis=1)
    solution, *_ = np.linalg.lstsq(matrix, kept * (radial(kept) - 1), rcond=None)
    error_px = float(np.abs(matrix @ solution - kept * (radial(kept) - 1)).max()) * max(focal)
    if error_px > WORST_FIT_PX:
        raise DataError(
            f"{file}: camera model {camera.model}: its lens is fitted by OpenCV's within {error_px:.2g} pixels only; "
            f"undistort the images with COLMAP first"
        )
    return [float(value) for value in solution]
