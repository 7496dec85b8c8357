"""Procedural vehicles, each seen alone from all around, with the piece of road that its box holds."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from nsg_cluster.config.lone_objects import VehiclesData
from nsg_cluster.data.drives.kitti import WORLD_AXES
from nsg_cluster.data.drives.lone_objects import LoneObject, lone_scene
from nsg_cluster.data.drives.turns import about_z
from nsg_cluster.data.images import straight_alpha
from nsg_cluster.data.procedural.lighting import Cluster, clustered, first_hits, plain, shaded
from nsg_cluster.data.procedural.solids import Box
from nsg_cluster.data.procedural.vehicles import Vehicle, any_vehicle, placed
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.cameras import Cameras, focal_from_angle, image_rays
from nsg_cluster.geometry.poses import sphere_views

__all__ = ["load_vehicles"]

CAMERA_ANGLE_RAD = 0.7
# So that the whole box is in every image: the sine of half the angle of view is 0.34.
DISTANCE_IN_REACHES = 3.0
SLAB = 0.1
ROAD = "#595c60"


@functools.lru_cache(maxsize=1)
def _traced(key: str) -> Scene:
    config = VehiclesData.model_validate_json(key)
    random = np.random.default_rng(config.seed)
    found = [
        _seen(any_vehicle(random), f"vehicle_{index:03d}", about_z(random.uniform(0.0, 2.0 * math.pi)), config)
        for index in range(config.vehicles)
    ]
    return lone_scene(found, box_scale=config.box_scale, seed=config.seed)


def load_vehicles(config: VehiclesData) -> Scene:
    """Trace the vehicles of a configuration; the same configuration always gives the same images.

    Those made last are kept: training, evaluation and rendering of one task ask for them in turn.
    """
    return _traced(config.model_dump_json())


def _seen(vehicle: Vehicle, name: str, turn: Float[np.ndarray, "3 3"], config: VehiclesData) -> LoneObject:
    """Trace a vehicle that is turned in the light, so that no side of it is always the bright one."""
    pose = np.eye(4)
    pose[:3, :3] = turn
    solids = list(placed(vehicle, pose))
    length, height, width = vehicle.size
    half = np.array([config.box_scale * length, config.box_scale * width, height]) / 2
    if config.ground:
        flat = (float(half[0]), float(half[1]), SLAB / 2)
        solids.append(Box(center=(0.0, 0.0, -SLAB / 2), half=flat, rotation=turn, paint=plain(ROAD), gloss=0.02))
    reach, middle = float(np.linalg.norm(half)), torch.tensor([0.0, 0.0, height / 2], dtype=torch.float64)
    train, test = (
        _views(clustered(solids), _around(middle, reach, count, config, turn_deg), config, middle, turn)
        for count, turn_deg in ((config.views, 0.0), (config.test_views, 77.0))
    )
    return LoneObject(name=name, size=vehicle.size, train=train, test=test)


def _around(
    middle: Float[Tensor, " 3"], reach: float, count: int, config: VehiclesData, turn_deg: float
) -> Float[Tensor, "views 3 4"]:
    """Return cameras on a zone of a sphere."""
    low, high = sorted(config.elevation_deg)
    return sphere_views(
        middle, DISTANCE_IN_REACHES * reach, count, elevations_deg=(low, high + 1e-3), turn_deg=turn_deg
    )


def _views(
    cluster: Cluster,
    poses: Float[Tensor, "views 3 4"],
    config: VehiclesData,
    middle: Float[Tensor, " 3"],
    turn: Float[np.ndarray, "3 3"],
) -> Views:
    """Trace what cameras see; they are returned in the frame of the box."""
    size, count = config.image_size, len(poses)
    cameras = Cameras(
        camera_to_world=poses,
        focal_px=torch.full((count, 2), focal_from_angle(CAMERA_ANGLE_RAD, size), dtype=torch.float64),
        center_px=torch.full((count, 2), 0.5 * size, dtype=torch.float64),
        width=size,
        height=size,
    )
    images = np.stack([_image([cluster], cameras, view, config.supersample) for view in range(count)])
    # From a world whose z points up to a box whose y points down.
    into_box = torch.from_numpy(WORLD_AXES[:3, :3] @ turn.T)
    local = torch.cat([into_box @ poses[:, :, :3], into_box @ (poses[:, :, 3] - middle)[:, :, None]], dim=2)
    return Views(
        cameras=replace(
            cameras,
            camera_to_world=local.float(),
            focal_px=cameras.focal_px.float(),
            center_px=cameras.center_px.float(),
        ),
        images=torch.from_numpy(images),
        names=tuple(f"{view:03d}" for view in range(count)),
    )


def _image(
    clusters: Sequence[Cluster], cameras: Cameras, view: int, supersample: int
) -> UInt8[np.ndarray, "height width 4"]:
    """Average the subpixels, with color premultiplied by coverage."""
    height, width, s = cameras.height, cameras.width, supersample
    rays = image_rays(cameras.resized(width=width * s, height=height * s), view)
    origins, directions = rays.origins.double().numpy(), rays.directions.double().numpy()
    hit = first_hits(clusters, origins, directions)
    color = shaded(clusters, hit, origins, directions)
    covered = np.concatenate([color, np.ones((len(color), 1))], axis=1) * np.isfinite(hit.distance)[:, None]
    return straight_alpha(covered.reshape(height, s, width, s, 4).mean(axis=(1, 3)))
