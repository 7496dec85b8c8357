"""A tiny scene with two tracks of two classes and two moments, for the tests of scene graphs."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from nsg_cluster.config.graph import SceneGraphConfig
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.cameras import Cameras, image_rays
from nsg_cluster.geometry.rays import Rays
from nsg_cluster.geometry.tracks import ObjectTracks, frame_table
from nsg_cluster.models.build import build_model
from nsg_cluster.models.scene_graph import SceneGraph

SMALL_NERF = {"kind": "nerf", "width": 16, "hidden_layers": 3, "skip": 1, "color_width": 8, "position_frequencies": 2}
SMALL_GRID = {"levels": 2, "log2_table_size": 8, "base_resolution": 4, "max_resolution": 8}
NSG: dict[str, Any] = {
    "kind": "scene_graph",
    "background": {"field": SMALL_NERF, "sampler": {"kind": "planes", "samples": 5}},
    "objects": {"field": SMALL_NERF, "latent": 4, "samples": 3},
}
FAST: dict[str, Any] = {
    "kind": "scene_graph",
    "background": {
        "field": {"kind": "hash", "hash_grid": SMALL_GRID, "hidden_width": 8},
        "sampler": {"kind": "proposal", "rounds": [8], "samples": 6, "hash_grid": SMALL_GRID, "hidden_width": 8},
    },
    "objects": {
        "field": {"kind": "hash", "hash_grid": SMALL_GRID, "hidden_width": 8},
        "share": "object",
        "latent": 2,
        "samples": 5,
        "placing": "intervals",
    },
    "removes_background": True,
    "sky": True,
}


def pose(x: float, y: float, z: float, yaw: float = 0.0) -> Tensor:
    """Return the map of an object whose middle is at a place, turned about y."""
    c, s = math.cos(yaw), math.sin(yaw)
    return torch.tensor([[c, 0.0, s, x], [0.0, 1.0, 0.0, y], [-s, 0.0, c, z]])


def scene() -> Scene:
    """Return cameras that look along x at frames 0 and 1; track 7 moves through frames 0 and 1, track 3 is in 1."""
    # Columns are right (-z), up (-y), back (-x).
    axes = torch.tensor([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
    cameras = Cameras(
        camera_to_world=torch.stack([torch.cat([axes, torch.tensor([[x], [0.0], [0.0]])], dim=1) for x in (0.0, 0.5)]),
        focal_px=torch.full((2, 2), 8.0),
        center_px=torch.full((2, 2), 4.0),
        width=8,
        height=8,
        frames=torch.tensor([0, 1]),
    )
    views = Views(
        cameras=cameras,
        images=torch.full((2, 8, 8, 3), 128, dtype=torch.uint8),
        names=("a", "b"),
        camera_ids=torch.zeros(2, dtype=torch.long),
    )
    return Scene(
        train=views,
        test=views,
        box=torch.tensor([[-2.0, -8.0, -8.0], [14.0, 8.0, 8.0]]),
        near=0.5,
        far=20.0,
        tracks=tracks(),
        frame_numbers=(40, 41),
    )


def tracks() -> ObjectTracks:
    """Return the two tracks: a truck with a box of 4 x 2 x 2 and a car of 2 x 2 x 2."""
    frames = torch.tensor([0, 1, 1])
    return ObjectTracks(
        ids=(7, 3),
        class_names=("car", "truck"),
        classes=torch.tensor([1, 0]),
        sizes=torch.tensor([[4.0, 2.0, 2.0], [2.0, 2.0, 2.0]]),
        margins=torch.ones(2, 3),
        owners=torch.tensor([0, 0, 1]),
        frames=frames,
        object_to_world=torch.stack([pose(8.0, 0.0, 1.0), pose(9.0, 0.0, 1.0, 0.3), pose(5.0, 0.0, -1.5)]),
        table=frame_table(frames, 2),
    )


def graph(config: dict[str, Any], seed: int = 0) -> SceneGraph:
    """Return a graph for the scene, with densities that are far from 0."""
    built = build_model(SceneGraphConfig.model_validate(config), scene(), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if "table" in name or "density_head.bias" in name or "latents" in name:
                parameter.uniform_(0.1, 1.0, generator=generator)
    return built


def rays(frame: int) -> Rays:
    """Return the rays of the camera at a frame."""
    return image_rays(scene().train.cameras, frame)
