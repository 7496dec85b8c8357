"""Cameras along paths through a scene that does not move: an orbit, an ellipse, a spiral, the held-out cameras.

An orbit circles the middle of the scene's box, z up, at the median distance of the training cameras. All paths but that
of the held-out cameras have the lens of the first training camera, without its distortion.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.schema import RenderConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import Cameras
from nsg_cluster.geometry.paths import ellipse, spiral, through
from nsg_cluster.geometry.poses import orbit

__all__ = ["path_cameras", "sized"]

ORBIT_FRAMES = 60
FOCUS = 0.75
"""Weight of the distance of what is far in the inverse distance at which a spiral looks (LLFF)."""


def path_cameras(scene: Scene, config: RenderConfig) -> Cameras:
    """Return the cameras of a path through a scene that does not follow a drive.

    Raises:
        ConfigError: ``render.frames`` is no number of pictures, or the path does not fit the cameras.
    """
    if config.path == "test":
        return sized(scene.test.cameras, config.size)
    frames = ORBIT_FRAMES if config.frames is None else config.frames
    if not isinstance(frames, int) or frames < 1:
        raise ConfigError(f"render.frames: '{frames}' names frames of a drive; this path takes a number of pictures")
    try:
        poses = _poses(scene, config, frames)
    except ValueError as error:
        raise ConfigError(f"render.path: '{config.path}' does not fit this scene: {error}") from None
    train = scene.train.cameras
    lens = Cameras(
        camera_to_world=poses,
        focal_px=train.focal_px[:1].expand(frames, 2),
        center_px=train.center_px[:1].expand(frames, 2),
        width=train.width,
        height=train.height,
        ndc=train.ndc,
    )
    return sized(lens, config.size)


def _poses(scene: Scene, config: RenderConfig, frames: int) -> Float[Tensor, "frames 3 4"]:
    """Return the poses of a path.

    Raises:
        ValueError: It does not fit the cameras.
    """
    poses, center = scene.train.cameras.camera_to_world, scene.box.mean(dim=0)
    if config.path == "spiral":
        return spiral(poses, frames, focus=_focus(scene))
    if config.path == "ellipse":
        return ellipse(poses, center, frames)
    if config.path == "through":
        return through(scene.test.cameras.camera_to_world, frames)
    radius = float((poses[:, :, 3] - center).norm(dim=-1).median())
    return orbit(center, radius, config.elevation_deg, frames)


def _focus(scene: Scene) -> float:
    """Return the distance at which a spiral looks: the mean of near and far by their inverses, or into the scene box.

    In normalized device coordinates nearest things are at 4/3, and far is infinite.
    """
    if scene.train.cameras.ndc:
        return (4 / 3) / (1 - FOCUS)
    center = scene.box.mean(dim=0)
    to_center = float((scene.train.cameras.camera_to_world[:, :, 3] - center).norm(dim=-1).median())
    half = float((scene.box[1] - scene.box[0]).max()) / 2
    return max(to_center, half)


def sized(cameras: Cameras, longer_side_px: int | None) -> Cameras:
    """Return cameras whose longer side has so many pixels; as they are without a number."""
    if longer_side_px is None:
        return cameras
    scale = longer_side_px / max(cameras.width, cameras.height)
    return cameras.resized(width=max(1, round(cameras.width * scale)), height=max(1, round(cameras.height * scale)))
