"""The stage before training: what the data need to have made first. Today that is to render 3D models."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.files import write_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.core.units import format_duration

if TYPE_CHECKING:
    from nsg_cluster.config.schema import Experiment

__all__ = ["is_idle", "prepare"]

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 10.0


def is_idle(stage: str, experiment: Experiment) -> bool:
    """Return whether a stage has nothing to do for the data of an experiment."""
    return stage == "prepare" and not isinstance(experiment.data, ObjectsData)


def prepare(experiment: Experiment, paths: TaskPaths, stop: StopSignal) -> bool:
    """Make what the data of an experiment consist of; return whether it came to its end.

    Raises:
        NsgError: A model is missing or broken, or there is nothing to render it with.
    """
    # Above this package: reached at call time, as training is.
    from nsg_cluster.objects.render import render_model

    assert isinstance(experiment.data, ObjectsData)
    result = render_model(
        experiment.data, experiment.data.folder, stop=stop, report=_Report(paths, experiment.data.model)
    )
    if result is None:
        return False
    for note in result.notes:
        log.warning("%s", note)
    log.info(
        "%d views, %d of them rendered now in %s: %s",
        result.views,
        result.rendered,
        format_duration(round(result.seconds)),
        result.folder,
    )
    return True


class _Report:
    """Writes ``progress.json`` after every view, and a line of log now and then."""

    def __init__(self, paths: TaskPaths, model: str) -> None:
        self._path, self._model = paths.progress, model
        self._began = self._spoke = time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, views: int) -> None:
        """Report the number of finished views and of all."""
        now = time.monotonic()
        self._first = done if self._first is None else self._first
        rate = (done - self._first) / max(now - self._began, 1e-9)
        left = {"eta_s": (views - done) / rate} if rate else {}
        write_json(self._path, {"stage": "prepare", "step": done, "steps": views, **left, "time": time.time()})
        if now - self._spoke >= SECONDS_BETWEEN_LINES:
            self._spoke = now
            log.info("rendered view %d of %d of %s", done, views, self._model)
