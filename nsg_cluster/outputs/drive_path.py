"""The cameras of a drive that are rendered: chosen frames and cameras, moved aside if that is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from nsg_cluster.config.driving import frame_ranges
from nsg_cluster.config.render import RenderConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.cameras import Cameras

__all__ = ["DrivePath", "drive_path"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrivePath:
    """What is rendered of a drive, picture by picture."""

    cameras: Cameras
    """With the frames of the scene."""
    camera_ids: Int[Tensor, " pictures"]
    numbers: tuple[int, ...]
    """What the data set calls the frame of each picture."""


def drive_path(scene: Scene, config: RenderConfig) -> DrivePath:
    """Return the cameras of training and held-out views together, sorted by camera and frame, those that are asked for.

    Raises:
        ConfigError: The scene does not move, or has no such frame or camera.
    """
    cameras, ids = _all_cameras(scene)
    if cameras.frames is None:
        raise ConfigError(
            "render.path: 'drive' needs a scene that moves, and this one does not; take 'orbit' or 'test'"
        )
    frames = cameras.frames
    wanted = _wanted_frames(scene, config)
    chosen = torch.isin(frames, wanted)
    if config.cameras != "both":
        names = scene.camera_names or ("left",)
        if config.cameras not in names or not bool((ids == names.index(config.cameras)).any()):
            have = ", ".join(names[index] for index in sorted(set(ids.tolist())) if index < len(names)) or "one camera"
            raise ConfigError(
                f"render.cameras: the scene has no camera '{config.cameras}' (data.cameras gives: {have})"
            )
        chosen &= ids == names.index(config.cameras)
    index = torch.nonzero(chosen)[:, 0]
    order = index[torch.argsort(ids[index] * (1 + int(frames.max())) + frames[index], stable=True)]
    order = order.repeat_interleave(config.repeat)
    return DrivePath(
        cameras=_shifted(cameras[order], config.shift),
        camera_ids=ids[order],
        numbers=tuple(scene.frame_numbers[frame] for frame in frames[order].tolist()),
    )


def _all_cameras(scene: Scene) -> tuple[Cameras, Int[Tensor, " images"]]:
    """Return the cameras of both splits, each image once, and which camera each is."""
    if scene.test is scene.train:
        return scene.train.cameras, _ids(scene.train)
    first, second = scene.train.cameras, scene.test.cameras
    if first.frames is None or second.frames is None:
        return first, _ids(scene.train)
    return replace(
        first,
        camera_to_world=torch.cat([first.camera_to_world, second.camera_to_world]),
        focal_px=torch.cat([first.focal_px, second.focal_px]),
        center_px=torch.cat([first.center_px, second.center_px]),
        frames=torch.cat([first.frames, second.frames]),
    ), torch.cat([_ids(scene.train), _ids(scene.test)])


def _ids(views: Views) -> Int[Tensor, " images"]:
    return torch.zeros(len(views), dtype=torch.long) if views.camera_ids is None else views.camera_ids


def _wanted_frames(scene: Scene, config: RenderConfig) -> Int[Tensor, " frames"]:
    """Return the indices of the frames that are asked for.

    Raises:
        ConfigError: The scene lacks one.
    """
    if config.frames is None:
        return torch.arange(len(scene.frame_numbers))
    ranges = frame_ranges(str(config.frames))
    index = {number: place for place, number in enumerate(scene.frame_numbers)}
    numbers = [number for first, last in ranges for number in range(first, last + 1)]
    missing = next((number for number in numbers if number not in index), None)
    if missing is not None:
        have = f"{scene.frame_numbers[0]} to {scene.frame_numbers[-1]}"
        raise ConfigError(f"render.frames: the scene has no frame {missing} (data.frames gives {have})")
    return torch.tensor([index[number] for number in numbers])


def _shifted(cameras: Cameras, shift: tuple[float, float, float]) -> Cameras:
    """Return cameras moved to the right, up and forward in their own axes."""
    right, up, forward = shift
    if shift == (0.0, 0.0, 0.0):
        return cameras
    pose = cameras.camera_to_world
    by = torch.einsum("cij,j->ci", pose[:, :, :3], torch.tensor([right, up, -forward]))
    return replace(cameras, camera_to_world=torch.cat([pose[:, :, :3], (pose[:, :, 3] + by)[:, :, None]], dim=2))
