"""The stages of a task, run in this process: prepare, train, evaluate, render.

Each goes on where an earlier attempt stopped: training from its newest good checkpoint, the others by not repeating
what was already made, from the same checkpoint with the same settings.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nsg_cluster.core.errors import NsgError, RunError, refusals_told
from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.tasks.lock import locked
from nsg_cluster.tasks.prepare import is_idle, prepare
from nsg_cluster.tasks.watch import CANCELLED, CONTINUE, ON_REQUEST, STAGES

if TYPE_CHECKING:
    from nsg_cluster.config.schema import Experiment

__all__ = ["read_spec", "run_stages"]

log = logging.getLogger(__name__)
# A predecessor whose watcher was killed writes a last checkpoint before it lets go of the folder.
LOCK_WAIT_S = 20.0


def run_stages(
    experiment: Experiment,
    paths: TaskPaths,
    *,
    stages: Sequence[str] | None = None,
    stop: StopSignal,
    again: bool = False,
) -> int:
    """Run stages in order and return the exit status of the process (see `nsg_cluster.tasks.watch`).

    Args:
        experiment: What to compute, without a sweep.
        paths: Folder of the task.
        stages: Which of ``prepare``, ``train``, ``evaluate``, ``render`` and ``export``; by default those of the
            experiment.
        stop: Looked at by each stage and between them.
        again: Repeat stages whose results are up to date.

    Raises:
        NsgError: A stage failed, or another process writes into the folder.
    """
    from nsg_cluster.tasks.environment import write_environment

    with refusals_told(), locked(paths.lock, wait_s=LOCK_WAIT_S):
        write_environment(experiment, paths)
        for stage in (*STAGES, *ON_REQUEST):
            if stage not in (experiment.stages if stages is None else stages) or is_idle(stage, experiment):
                continue
            if stop.requested:
                break
            if not again and _is_done(stage, experiment, paths):
                log.info("%s: already done", stage)
                continue
            log.info("%s begins", stage)
            if not RUNNERS[stage](experiment, paths, stop):
                break
            _mark_done(stage, experiment, paths)
        else:
            return 0
    return CONTINUE if stop.requested == "warning" else CANCELLED


def read_spec(paths: TaskPaths, overrides: Sequence[str] = ()) -> Experiment:
    """Return the experiment of a task.

    Raises:
        NsgError: The folder is not one of a task, or its spec or an override is wrong.
    """
    from nsg_cluster.config.compose import load

    if not paths.spec.is_file():
        raise RunError(f"{paths.root}: is not a task folder: it has no {paths.spec.name}")
    return load(paths.spec, overrides, variables={})


def _train(experiment: Experiment, paths: TaskPaths, stop: StopSignal) -> bool:
    from nsg_cluster.training.loop import train

    result = train(experiment, paths, stop=stop)
    if result.stopped is None:
        return True
    _write_position(paths, "train", result.step, experiment.train.steps)
    return False


def _evaluate(experiment: Experiment, paths: TaskPaths, stop: StopSignal) -> bool:
    from nsg_cluster.outputs.evaluate import evaluate

    return evaluate(experiment, paths, stop=stop) is not None


def _render(experiment: Experiment, paths: TaskPaths, stop: StopSignal) -> bool:
    from nsg_cluster.outputs.export import render

    return render(experiment, paths, stop=stop) is not None


def _export(experiment: Experiment, paths: TaskPaths, stop: StopSignal) -> bool:
    from nsg_cluster.outputs.mesh import export

    return export(experiment, paths, stop=stop) is not None


# Each returns whether it came to its end.
RUNNERS: dict[str, Callable[[Experiment, TaskPaths, StopSignal], bool]] = {
    "prepare": prepare,
    "train": _train,
    "evaluate": _evaluate,
    "render": _render,
    "export": _export,
}


def _write_position(paths: TaskPaths, stage: str, step: int, steps: int) -> None:
    """Write where a stage stopped: the progress file of a running one may be a second old."""
    try:
        before = read_json(paths.progress)
    except RunError:
        before = {}
    write_json(paths.progress, {**before, "stage": stage, "step": step, "steps": steps, "time": time.time()})


def _is_done(stage: str, experiment: Experiment, paths: TaskPaths) -> bool:
    """Return whether a stage's results are there and were made from what it would be made from now."""
    if stage in {"prepare", "train"}:
        return False  # they look at what is there themselves
    results = {"evaluate": paths.metrics, "render": paths.renders, "export": paths.exports}[stage]
    return results.exists() and _marks(paths).get(stage) == _source(stage, experiment, paths)


def _mark_done(stage: str, experiment: Experiment, paths: TaskPaths) -> None:
    if stage not in {"prepare", "train"}:
        write_json(paths.stages, {**_marks(paths), stage: _source(stage, experiment, paths)})


def _marks(paths: TaskPaths) -> dict[str, str]:
    try:
        found = read_json(paths.stages)
    except NsgError:
        return {}
    return found if isinstance(found, dict) else {}


def _source(stage: str, experiment: Experiment, paths: TaskPaths) -> str:
    """Return a digest of what a stage's results follow from: the newest checkpoint and the settings it reads."""
    sections = {"data", "model", "evaluate"} | ({stage} - {"evaluate"})
    settings = experiment.model_dump(mode="json", include=sections)
    checksums = sorted(paths.checkpoints.glob("*.sha256"))
    newest = Path(checksums[-1]).read_text() if checksums else ""
    return hashlib.sha256(json.dumps([settings, newest], sort_keys=True).encode()).hexdigest()
