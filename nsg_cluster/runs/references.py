"""Runs that an experiment names, found before a task begins: a node that computes knows nothing of ids."""

from __future__ import annotations

import os

from nsg_cluster.config.edits import EditConfig
from nsg_cluster.config.schema import Experiment, RenderConfig, SceneGraphConfig, TrainConfig
from nsg_cluster.core.errors import ConfigError, RunError
from nsg_cluster.core.paths import StoragePaths
from nsg_cluster.runs.find import find_run

__all__ = ["with_runs_found"]


def with_runs_found(experiment: Experiment, storage: StoragePaths) -> Experiment:
    """Return an experiment in which every run that it names is an absolute folder.

    Raises:
        ConfigError: One means no run, or several.
    """
    changes: dict[str, SceneGraphConfig | RenderConfig | TrainConfig] = {}
    model, edits, weights = experiment.model, experiment.render.edits, experiment.train.start_from
    # A folder may be that of a task as well.
    if weights is not None and os.sep not in weights:
        start = _found(weights, "train.start_from", storage)
        changes["train"] = experiment.train.model_copy(update={"start_from": start})
    if isinstance(model, SceneGraphConfig) and model.objects.start_from is not None:
        start = _found(model.objects.start_from, "model.objects.start_from", storage)
        changes["model"] = model.model_copy(update={"objects": model.objects.model_copy(update={"start_from": start})})
    if any(edit.insert and edit.insert.source for edit in edits):
        found = tuple(_with_run(edit, f"render.edits.{place}", storage) for place, edit in enumerate(edits))
        changes["render"] = experiment.render.model_copy(update={"edits": found})
    return experiment.model_copy(update=changes) if changes else experiment


def _with_run(edit: EditConfig, where: str, storage: StoragePaths) -> EditConfig:
    if edit.insert is None or edit.insert.source is None:
        return edit
    folder = _found(edit.insert.source, f"{where}.insert.from", storage)
    return edit.model_copy(update={"insert": edit.insert.model_copy(update={"source": folder})})


def _found(word: str, where: str, storage: StoragePaths) -> str:
    try:
        return str(find_run(word, storage).root)
    except RunError as error:
        raise ConfigError(f"{where}: {error}") from None
