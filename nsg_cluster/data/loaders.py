"""``data.kind`` to the loader that reads it."""

from __future__ import annotations

from nsg_cluster.config.data import DataConfig, SyntheticData
from nsg_cluster.data.blender import load_blender
from nsg_cluster.data.scene import Scene
from nsg_cluster.data.synthetic import load_synthetic

__all__ = ["load_scene"]


def load_scene(config: DataConfig) -> Scene:
    """Read or make the scene that a configuration names.

    Raises:
        DataError: The data are missing, broken or inconsistent.
    """
    if isinstance(config, SyntheticData):
        return load_synthetic(config)
    return load_blender(config)
