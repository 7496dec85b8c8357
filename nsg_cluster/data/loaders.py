"""``data.kind`` to the loader that reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nsg_cluster.config.data import DataConfig
from nsg_cluster.data.blender import load_blender
from nsg_cluster.data.colmap import load_colmap
from nsg_cluster.data.llff import load_llff
from nsg_cluster.data.nerfpp import load_nerfpp
from nsg_cluster.data.nsvf import load_nsvf
from nsg_cluster.data.rtmv import load_rtmv
from nsg_cluster.data.scene import Scene
from nsg_cluster.data.synthetic import load_synthetic
from nsg_cluster.data.transforms import load_transforms

__all__ = ["LOADERS", "load_scene"]

LOADERS: dict[str, Callable[[Any], Scene]] = {
    "blender": load_blender,
    "colmap": load_colmap,
    "llff": load_llff,
    "nerfpp": load_nerfpp,
    "nsvf": load_nsvf,
    "rtmv": load_rtmv,
    "synthetic": load_synthetic,
    "transforms": load_transforms,
}


def load_scene(config: DataConfig) -> Scene:
    """Read or make the scene that a configuration names.

    Raises:
        DataError: The data are missing, broken or inconsistent.
    """
    return LOADERS[config.kind](config)
