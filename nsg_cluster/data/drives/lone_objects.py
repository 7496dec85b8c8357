"""Objects that are seen alone, as one scene: each object is there at a frame of its own.

An object's own frame has its origin in the middle of its box, x forward, y down, z to the left. In the world they stand
here and there as cars on a street do, so that networks which are told where an object stands, or from where it is seen,
learn from all of these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.turns import about_y
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.tracks import ObjectTracks, frame_table

__all__ = ["LoneObject", "lone_scene"]

# Where objects come to stand: so far ahead, and to both sides.
AHEAD, ASIDE = (0.0, 80.0), (-10.0, 10.0)
NEAR = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneObject:
    """An object and views of it."""

    name: str
    size: tuple[float, float, float]
    """Length, height and width."""
    train: Views
    """Cameras in the object's own frame; images are transparent beside the object."""
    test: Views


def lone_scene(objects: Sequence[LoneObject], *, box_scale: float, seed: int, notes: tuple[str, ...] = ()) -> Scene:
    """Return the scene of some objects, all of them of one class.

    Args:
        objects: What is seen; each becomes a track, and a frame.
        box_scale: Factor by which boxes are longer and wider than the objects.
        seed: Of where they stand.
        notes: What a reader should know.

    Raises:
        DataError: Their images differ in size.
    """
    poses = _poses(objects, seed)
    tracks = _tracks(objects, poses, box_scale)
    train = _joined([each.train for each in objects], poses, objects)
    middles = train.cameras.camera_to_world[:, :, 3]
    corners = tracks.corners(with_margin=True).reshape(-1, 3)
    reach = max(float(each.train.cameras.camera_to_world[:, :, 3].norm(dim=1).max()) for each in objects)
    points = torch.cat([middles, corners])
    return Scene(
        train=train,
        test=_joined([each.test for each in objects], poses, objects),
        box=torch.stack([points.amin(0), points.amax(0)]),
        near=NEAR,
        far=2.0 * reach,
        notes=notes,
        tracks=tracks,
        frame_numbers=tuple(range(len(objects))),
        has_background=False,
    )


def _poses(objects: Sequence[LoneObject], seed: int) -> Float[Tensor, "objects 3 4"]:
    """Return where each object stands, its underside at height 0."""
    random = np.random.default_rng(seed)
    poses = np.zeros((len(objects), 3, 4))
    poses[:, :, :3] = about_y(random.uniform(0.0, 2.0 * math.pi, len(objects)))
    poses[:, 0, 3], poses[:, 2, 3] = (random.uniform(*span, len(objects)) for span in (AHEAD, ASIDE))
    poses[:, 1, 3] = [-0.5 * each.size[1] for each in objects]
    return torch.from_numpy(poses).float()


def _tracks(objects: Sequence[LoneObject], poses: Float[Tensor, "objects 3 4"], box_scale: float) -> ObjectTracks:
    each = torch.arange(len(objects))
    return ObjectTracks(
        ids=tuple(range(len(objects))),
        class_names=("object",),
        classes=torch.zeros(len(objects), dtype=torch.long),
        sizes=torch.tensor([found.size for found in objects], dtype=torch.float32),
        margins=torch.tensor([[box_scale, 1.0, box_scale]]).repeat(len(objects), 1),
        owners=each,
        frames=each,
        object_to_world=poses,
        table=frame_table(each, len(objects)),
    )


def _joined(views: Sequence[Views], poses: Float[Tensor, "objects 3 4"], objects: Sequence[LoneObject]) -> Views:
    """Return the views of all objects, object by object, their cameras in the world.

    Raises:
        DataError: Images differ in size.
    """
    sizes = {(found.cameras.width, found.cameras.height): each.name for found, each in zip(views, objects, strict=True)}
    if len(sizes) > 1:
        listed = ", ".join(f"{width}x{height} ({name})" for (width, height), name in sizes.items())
        raise DataError(f"images of the objects differ in size: {listed}; render them with the same image_size")
    frames = torch.cat([torch.full((len(found),), index) for index, found in enumerate(views)])
    local = torch.cat([found.cameras.camera_to_world for found in views])
    turns, shifts = poses[frames][:, :, :3], poses[frames][:, :, 3:]
    world = torch.cat([turns @ local[:, :, :3], turns @ local[:, :, 3:] + shifts], dim=2)
    return Views(
        cameras=replace(
            views[0].cameras,
            camera_to_world=world,
            focal_px=torch.cat([found.cameras.focal_px for found in views]),
            center_px=torch.cat([found.cameras.center_px for found in views]),
            frames=frames,
        ),
        images=torch.cat([found.images for found in views]),
        names=tuple(f"{each.name}_{name}" for found, each in zip(views, objects, strict=True) for name in found.names),
    )
