"""Weights that were trained elsewhere, as a task of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nsg_cluster.config.schema import Experiment
    from nsg_cluster.core.paths import TaskPaths

__all__ = ["describe_nsg", "make_stand_in", "take_nsg_weights"]


def describe_nsg(source: Path, *, name: str, root: str | None, step: int | None) -> dict[str, Any]:
    """Return the experiment of official Neural Scene Graphs weights.

    Raises:
        NsgError: The folder holds none, or a file is refused.
    """
    from nsg_cluster.training.adopt_nsg import describe

    return describe(source, name=name, root=root, step=step)


def take_nsg_weights(experiment: Experiment, paths: TaskPaths, source: Path, *, step: int | None) -> int:
    """Write official weights as a checkpoint of a task, and return their step.

    Raises:
        NsgError: They do not fit the scene, or it cannot be written.
    """
    from nsg_cluster.training.adopt_nsg import write_checkpoint

    return write_checkpoint(experiment, paths, source, step)


def make_stand_in(
    experiment: Experiment, paths: TaskPaths, destination: Path, *, size: int, frames: str | None, cameras: str
) -> list[Path]:
    """Render the views of a KITTI drive into KITTI's layout, and return the pictures.

    Raises:
        NsgError: The run is on other data, cannot be loaded, or the folder cannot be written.
    """
    from nsg_cluster.config.render import RenderConfig
    from nsg_cluster.outputs.stand_in import render_stand_in

    render = RenderConfig.model_validate({"frames": frames, "cameras": cameras})
    return render_stand_in(experiment, paths, destination, size=size, render=render)
