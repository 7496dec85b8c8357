"""Procedural scenes with exact images and depth.

Images are averaged over subpixels with color premultiplied by coverage, and stored with straight alpha as the
synthetic scenes of NeRF are. Depth is the exact distance along the ray through the center of each pixel.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from nsg_cluster.config.data import SyntheticData
from nsg_cluster.data.images import straight_alpha
from nsg_cluster.data.procedural.metal import metal
from nsg_cluster.data.procedural.solids import Solid
from nsg_cluster.data.procedural.toybox import HALF_SIDE, toybox, trace, trace_normals
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.cameras import Cameras, focal_from_angle, image_rays
from nsg_cluster.geometry.poses import orbit, sphere_views

__all__ = ["load_synthetic"]

Solids = tuple[Solid, ...]

CAMERA_RADIUS = 4.0
# The field of view of the synthetic scenes of NeRF.
CAMERA_ANGLE_X_RAD = 0.6911112070083618
TRAIN_ELEVATIONS_DEG = (-5.0, 75.0)
TEST_ELEVATION_DEG = 30.0
NEAR, FAR = 2.0, 6.0
SCENES = {"toybox": toybox, "metal": metal}


@functools.lru_cache(maxsize=1)
def load_synthetic(config: SyntheticData) -> Scene:
    """Trace the scene that the configuration describes; the same configuration always gives the same images.

    The scene made last is kept: training, evaluation and rendering of one task ask for it in turn.
    """
    center = torch.zeros(3)
    turn_deg = float(np.random.default_rng(config.seed).uniform(0.0, 360.0))
    train = sphere_views(
        center, CAMERA_RADIUS, config.train_views, elevations_deg=TRAIN_ELEVATIONS_DEG, turn_deg=turn_deg
    )
    test = orbit(center, CAMERA_RADIUS, TEST_ELEVATION_DEG, config.test_views)
    solids = SCENES[config.scene]()
    return Scene(
        train=_views(solids, _cameras(train, config.image_size), config.supersample),
        test=_views(solids, _cameras(test, config.image_size), config.supersample),
        box=torch.tensor([[-HALF_SIDE] * 3, [HALF_SIDE] * 3]),
        near=NEAR,
        far=FAR,
    )


def _cameras(camera_to_world: Float[Tensor, "images 3 4"], size_px: int) -> Cameras:
    images = camera_to_world.shape[0]
    return Cameras(
        camera_to_world=camera_to_world,
        focal_px=torch.full((images, 2), focal_from_angle(CAMERA_ANGLE_X_RAD, size_px)),
        center_px=torch.full((images, 2), 0.5 * size_px),
        width=size_px,
        height=size_px,
    )


def _views(solids: Solids, cameras: Cameras, supersample: int) -> Views:
    """Trace every camera."""
    images = np.stack([_image(solids, cameras, index, supersample) for index in range(len(cameras))])
    depth = np.stack([_traced(solids, cameras, index)[0] for index in range(len(cameras))]).astype(np.float32)
    normals = np.stack([_normals(solids, cameras, index) for index in range(len(cameras))]).astype(np.float32)
    return Views(
        cameras=cameras,
        images=torch.from_numpy(images),
        names=tuple(f"r_{index}" for index in range(len(cameras))),
        depth=torch.from_numpy(depth.reshape(-1, cameras.height, cameras.width)),
        normals=torch.from_numpy(normals.reshape(-1, cameras.height, cameras.width, 3)),
    )


def _traced(
    solids: Solids, cameras: Cameras, index: int
) -> tuple[Float[np.ndarray, " rays"], Float[np.ndarray, "rays 3"]]:
    rays = image_rays(cameras, index)
    return trace(solids, rays.origins.double().numpy(), rays.directions.double().numpy())


def _normals(solids: Solids, cameras: Cameras, index: int) -> Float[np.ndarray, "rays 3"]:
    rays = image_rays(cameras, index)
    return trace_normals(solids, rays.origins.double().numpy(), rays.directions.double().numpy())


def _image(solids: Solids, cameras: Cameras, index: int, supersample: int) -> UInt8[np.ndarray, "height width 4"]:
    """Average the subpixels: those of an image that is finer by ``supersample``."""
    height, width, s = cameras.height, cameras.width, supersample
    distance, color = _traced(solids, cameras.resized(width=width * s, height=height * s), index)
    covered = np.concatenate([color, np.ones((len(color), 1))], axis=1) * np.isfinite(distance)[:, None]
    return straight_alpha(covered.reshape(height, s, width, s, 4).mean(axis=(1, 3)))
