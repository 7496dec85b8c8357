"""The pixels of a view that show what moves: where PSNR* is measured (Wu et al., MARS, arXiv:2307.15058)."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.boxes import world_to_box
from nsg_cluster.geometry.cameras import image_rays
from nsg_cluster.ops.boxes import box_hits

__all__ = ["moving_pixels"]


def moving_pixels(scene: Scene, views: Views, index: int) -> Bool[Tensor, "height width"] | None:
    """Return which pixels of a view show a tracked object; None where the scene tracks none.

    Where it is known which object each pixel shows, that decides; otherwise whether its ray goes through the box of an
    object, as large as it is labeled, and it shows a class that objects have, where classes are known.
    """
    tracks, cameras = scene.tracks, views.cameras.to("cpu")
    if tracks is None or cameras.frames is None or len(tracks.owners) == 0:
        return None
    if views.instances is not None:
        return views.instances[index].cpu() >= 0
    rays = image_rays(cameras, index)
    maps = world_to_box(tracks.object_to_world, tracks.sizes[tracks.owners])
    frames = cameras.frames[index].expand(len(rays))
    *_, offsets = box_hits(rays.origins, rays.directions, frames, maps, tracks.table)
    found = (offsets.diff() > 0).view(cameras.height, cameras.width)
    kinds = [kind for kind, name in enumerate(views.class_names) if name.lower() in tracks.class_names]
    if views.classes is None or not kinds:
        return found
    return found & torch.isin(views.classes[index].cpu(), torch.tensor(kinds, dtype=views.classes.dtype))
