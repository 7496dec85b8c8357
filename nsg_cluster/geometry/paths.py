"""Camera paths that follow the cameras of a scene: a spiral, an ellipse, a smooth way through given poses.

Poses are 3x4 camera-to-world matrices with OpenGL axes; the world is z up where a path needs an up. A path that closes
does not repeat its first frame. `geometry.poses.orbit` is the circle around a point.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.geometry.poses import look_at

__all__ = ["ellipse", "mean_pose", "spiral", "through"]

QUANTILE = 0.9
"""Share of the cameras within which a path stays."""


def mean_pose(camera_to_world: Float[Tensor, "images 3 4"]) -> Float[Tensor, "3 4"]:
    """Return the pose in the middle: mean position, mean viewing axis, mean up direction made orthogonal to it.

    Raises:
        ValueError: The cameras look into all directions, so that their mean is none.
    """
    _, up, back, position = camera_to_world.mean(dim=0).unbind(1)
    if float(back.norm()) < 1e-3:
        raise ValueError("the cameras look into all directions, so that none is in the middle")
    return look_at(position[None], position - back, up)[0]


def spiral(
    camera_to_world: Float[Tensor, "images 3 4"], frames: int, *, focus: float, turns: float = 2.0, rate: float = 0.5
) -> Float[Tensor, "frames 3 4"]:
    """Return a spiral about the mean of cameras that face forward, looking at a point ahead of it (as LLFF renders).

    Args:
        camera_to_world: The scene's cameras, whose offsets from their mean bound the spiral.
        frames: Number of poses.
        focus: Distance of the point that all of them look at.
        turns: Turns about the viewing axis.
        rate: Swings along the viewing axis for each turn.
    """
    middle = mean_pose(camera_to_world)
    axes = middle[:, :3]
    offsets = (camera_to_world[:, :, 3] - middle[:, 3]) @ axes
    reach = offsets.abs().quantile(QUANTILE, dim=0)
    angle = torch.arange(frames, dtype=middle.dtype) * (2 * math.pi * turns / frames)
    swing = torch.stack([angle.cos(), -angle.sin(), -(angle * rate).sin()], dim=1)
    eyes = middle[:, 3] + (reach * swing) @ axes.T
    return look_at(eyes, middle[:, 3] - focus * axes[:, 2], axes[:, 1])


def ellipse(
    camera_to_world: Float[Tensor, "images 3 4"], center: Float[Tensor, " 3"], frames: int, *, height: float = 0.0
) -> Float[Tensor, "frames 3 4"]:
    """Return an ellipse around a point, as wide in x and y as the cameras' own places, at even steps of its length.

    Args:
        camera_to_world: The scene's cameras, z up.
        center: What all poses look at.
        frames: Number of poses.
        height: From 0, at the cameras' median height, to 1 or -1, at that of the highest or lowest tenth.
    """
    offsets = camera_to_world[:, :, 3] - center
    wide = offsets[:, :2].abs().quantile(QUANTILE, dim=0)
    middle, high, low = (offsets[:, 2].quantile(q) for q in (0.5, QUANTILE, 1 - QUANTILE))
    z = middle + (high - middle) * max(height, 0.0) + (middle - low) * min(height, 0.0)
    angle = _even_angles(wide, frames)
    eyes = torch.stack([wide[0] * angle.cos(), wide[1] * angle.sin(), z.expand(frames)], dim=1)
    return look_at(center + eyes, center, torch.tensor([0.0, 0.0, 1.0], dtype=eyes.dtype))


def through(camera_to_world: Float[Tensor, "poses 3 4"], frames: int) -> Float[Tensor, "frames 3 4"]:
    """Return a smooth way through poses, from the first to the last, at even steps from one to the next.

    Positions follow a cubic spline, rotations one of their own whose angular velocity is continuous.

    Raises:
        ValueError: There are fewer than two poses.
    """
    if len(camera_to_world) < 2:
        raise ValueError("a way needs at least two poses to lead through")
    # Here and not above: nothing else of the mathematics needs scipy.
    from scipy.interpolate import CubicSpline
    from scipy.spatial.transform import Rotation, RotationSpline

    poses = camera_to_world.double().numpy()
    times = torch.arange(len(poses), dtype=torch.float64).numpy()
    asked = torch.linspace(0, len(poses) - 1, frames, dtype=torch.float64).numpy()
    places = CubicSpline(times, poses[:, :, 3])(asked)
    turns = RotationSpline(times, Rotation.from_matrix(poses[:, :, :3]))(asked).as_matrix()
    way = torch.cat([torch.from_numpy(turns), torch.from_numpy(places)[:, :, None]], dim=2)
    return way.to(camera_to_world.dtype)


def _even_angles(wide: Float[Tensor, " 2"], frames: int) -> Float[Tensor, " frames"]:
    """Return the parameters of points at even steps of an ellipse's length."""
    angle = torch.linspace(0, 2 * math.pi, 4096 + 1, dtype=torch.float64)
    points = torch.stack([wide[0] * angle.cos(), wide[1] * angle.sin()], dim=1)
    length = torch.cat([angle.new_zeros(1), points.diff(dim=0).norm(dim=1).cumsum(0)])
    asked = torch.arange(frames, dtype=torch.float64) * float(length[-1]) / frames
    after = torch.searchsorted(length, asked, right=True).clamp(max=len(length) - 1)
    share = (asked - length[after - 1]) / (length[after] - length[after - 1]).clamp(min=1e-300)
    return (angle[after - 1] + share * (angle[after] - angle[after - 1])).to(wide.dtype)
