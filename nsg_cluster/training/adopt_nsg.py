"""A checkpoint of ours from the official weights of Neural Scene Graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import DataError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.import_nsg import experiment_of, graph_state, read_weights
from nsg_cluster.models.scene_graph import SceneGraph
from nsg_cluster.training import checkpoint
from nsg_cluster.training.state import new_state, snapshot_of

__all__ = ["describe", "write_checkpoint"]


def describe(source: Path, *, name: str, root: str | None, step: int | None = None) -> dict[str, Any]:
    """Return the experiment of a folder of the original program.

    Raises:
        DataError: It holds no such weights, or a file is refused.
    """
    return experiment_of(read_weights(source, step), name=name, root=root)


def write_checkpoint(experiment: Experiment, paths: TaskPaths, source: Path, step: int | None = None) -> int:
    """Write the weights as the newest checkpoint of a task, and return their step; the optimizer starts afresh.

    Raises:
        DataError: The files do not fit the scene.
        RunError: It cannot be written.
    """
    weights = read_weights(source, step)
    scene = load_scene(experiment.data, with_images=False)
    state = new_state(experiment, scene, torch.device("cpu"))
    if not isinstance(state.model, SceneGraph):
        raise DataError(f"{paths.spec}: model.kind must be 'scene_graph' to take the weights of Neural Scene Graphs")
    state.model.load_state_dict(graph_state(weights, state.model))
    state.step = weights.step
    snapshot = snapshot_of(state, cpu_s=0.0, wall_s=0.0)
    checkpoint.save(paths.checkpoints, snapshot, identity=checkpoint.identity(experiment), keep=1)
    return weights.step
