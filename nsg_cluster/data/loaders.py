"""``data.kind`` to the loader that reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nsg_cluster.config.data import DataConfig
from nsg_cluster.core.staged import staged
from nsg_cluster.data.drives.kitti import load_kitti
from nsg_cluster.data.drives.vkitti import load_vkitti
from nsg_cluster.data.photographs.blender import load_blender
from nsg_cluster.data.photographs.colmap import load_colmap
from nsg_cluster.data.photographs.llff import load_llff
from nsg_cluster.data.photographs.nerfpp import load_nerfpp
from nsg_cluster.data.photographs.nsvf import load_nsvf
from nsg_cluster.data.photographs.object_views import load_object_views
from nsg_cluster.data.photographs.objects import load_objects
from nsg_cluster.data.photographs.rtmv import load_rtmv
from nsg_cluster.data.photographs.transforms import load_transforms
from nsg_cluster.data.procedural.street import load_street
from nsg_cluster.data.procedural.synthetic import load_synthetic
from nsg_cluster.data.procedural.vehicle_views import load_vehicles
from nsg_cluster.data.scene import Scene

__all__ = ["DRIVES", "LOADERS", "load_scene"]

LOADERS: dict[str, Callable[[Any], Scene]] = {
    "blender": load_blender,
    "colmap": load_colmap,
    "llff": load_llff,
    "nerfpp": load_nerfpp,
    "nsvf": load_nsvf,
    "object_views": load_object_views,
    "objects": load_objects,
    "rtmv": load_rtmv,
    "synthetic": load_synthetic,
    "transforms": load_transforms,
    "vehicles": load_vehicles,
}
DRIVES: dict[str, Callable[..., Scene]] = {"kitti": load_kitti, "vkitti2": load_vkitti, "street": load_street}
"""Loaders that can do without images."""


def load_scene(config: DataConfig, *, with_images: bool = True) -> Scene:
    """Read or make the scene that a configuration names, from the node's own disk where it was copied there.

    Args:
        config: The section ``data``.
        with_images: Drives do without images where only cameras and objects are needed: they are black then. Other
            scenes always have theirs.

    Raises:
        DataError: The data are missing, broken or inconsistent.
    """
    if (root := getattr(config, "root", None)) is not None:
        config = config.model_copy(update={"root": staged(root)})
    if config.kind in DRIVES:
        return DRIVES[config.kind](config, with_images=with_images)
    return LOADERS[config.kind](config)
