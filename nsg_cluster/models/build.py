"""``model.kind`` → model."""

from __future__ import annotations

import torch

from nsg_cluster.config.schema import ModelConfig
from nsg_cluster.data.scene import Scene
from nsg_cluster.models.instant_ngp import InstantNgp

__all__ = ["build_model"]


def build_model(config: ModelConfig, scene: Scene, *, seed: int = 0) -> InstantNgp:
    """Build the model of an experiment, on the CPU, with initial weights that depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return InstantNgp(config, scene.box.cpu(), near=scene.near, far=scene.far)
