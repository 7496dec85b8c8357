"""The scene of the official weights as the golden file has it: cameras and objects of KITTI 0006, no images."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nsg_cluster.config.graph import SceneGraphConfig
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.cameras import Cameras
from nsg_cluster.geometry.tracks import ObjectTracks, frame_table

WEIGHTS = Path("nsg_weights/kitti_tracking_0006_example")
NSG = SceneGraphConfig.model_validate({"kind": "scene_graph"})
FIRST_FRAME, FRAMES = 65, 56
VIEW = 111
"""The right camera's frame 120."""


@cache
def golden(root: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the golden file."""
    with np.load(root / "nsg_golden_0006" / "golden.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def scene(root: Path) -> Scene:
    """Return the scene, in the geometry of the original; images are black and take no memory."""
    arrays = golden(root)
    cameras = Cameras(
        camera_to_world=torch.from_numpy(arrays["poses_c2w_opengl"][:, :3]).float(),
        focal_px=torch.full((112, 2), float(arrays["focal"])),
        # The original has no half pixel.
        center_px=torch.tensor([[621.5, 188.0]]).expand(112, 2),
        width=1242,
        height=375,
        frames=torch.from_numpy(arrays["frames"]) - FIRST_FRAME,
    )
    views = Views(
        cameras=cameras,
        images=torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(112, 375, 1242, 3),
        names=tuple(f"{index:03d}" for index in range(112)),
        camera_ids=torch.from_numpy(arrays["cams"]) - 2,
    )
    return Scene(
        train=views,
        test=views,
        box=torch.tensor([[-60.0] * 3, [60.0] * 3]),
        near=0.5,
        far=150.0,
        tracks=tracks(torch.from_numpy(arrays["objects_frame_tid_x_y_z_yaw_l_h_w_class"])),
        frame_numbers=tuple(range(FIRST_FRAME, FIRST_FRAME + FRAMES)),
    )


def tracks(rows: Tensor) -> ObjectTracks:
    """Return the tracks of rows (frame, track, x, y, z, yaw, length, height, width, class)."""
    frames, numbers, kinds = rows[:, 0].long() - FIRST_FRAME, rows[:, 1].long(), rows[:, 9].long()
    ids = sorted(set(numbers.tolist()))
    first = [int(torch.nonzero(numbers == track)[0]) for track in ids]
    owners = torch.tensor([ids.index(track) for track in numbers.tolist()])
    c, s, zero = rows[:, 5].cos(), rows[:, 5].sin(), torch.zeros(len(rows), dtype=rows.dtype)
    turn = torch.stack([c, zero, s, zero, zero + 1, zero, -s, zero, c], dim=1).view(-1, 3, 3)
    centers = rows[:, 2:5].clone()
    centers[:, 1] -= rows[first, 7][owners] / 2
    return ObjectTracks(
        ids=tuple(ids),
        class_names=("car", "truck"),
        classes=(kinds[first] == 2).long(),
        sizes=rows[first][:, 6:9].float(),
        margins=torch.tensor([[1.9, 1.0, 1.9]]).expand(len(ids), 3),
        owners=owners,
        frames=frames,
        object_to_world=torch.cat([turn, centers[:, :, None]], dim=2).float(),
        table=frame_table(frames, FRAMES),
    )
