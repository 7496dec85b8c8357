"""Objects that begin where a run with ``train.reptile`` has learned to begin, instead of at random."""

from __future__ import annotations

from pathlib import Path

from nsg_cluster.config.compose import load
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.models.base import Model
from nsg_cluster.models.scene_graph import SceneGraph
from nsg_cluster.training import checkpoint

__all__ = ["begin_from"]

KEY = "model.objects.start_from"
PREFIX = "objects."


def begin_from(model: Model, folder: Path) -> None:
    """Let every object of a scene graph begin from the start that a run has learned.

    Raises:
        CheckpointError: The run has no good checkpoint.
        ConfigError: It is no such run, or its objects have networks of another shape.
    """
    assert isinstance(model, SceneGraph)  # the configuration of no other model has the key
    paths = RunPaths(folder).task(0)
    if not paths.spec.is_file():
        raise ConfigError(f"{KEY}: {folder} is not the folder of a run")
    experiment = load(paths.spec, (), variables={})
    if experiment.train.reptile is None:
        raise ConfigError(f"{KEY}: the run in {folder} has learned no start: it was trained without train.reptile")
    weights = checkpoint.newest_weights(folder)
    state = {name.removeprefix(PREFIX): value for name, value in weights.items() if name.startswith(PREFIX)}
    try:
        model.objects.start_from(state)
    except ValueError as error:
        raise ConfigError(
            f"{KEY}: the objects of the run in {folder} have networks of another shape ({error}); "
            "give both experiments the same model.objects.field, latent and place_frequencies"
        ) from None
