"""Save and restore everything that a resumed training needs.

A checkpoint is ``step-00001000.pt`` with ``step-00001000.pt.sha256`` beside it, in the form that ``sha256sum -c``
reads. The checksum is written first and both are replaced atomically, so that a kill at any moment leaves the newest
complete pair intact; a file without its checksum, or with a wrong one, is passed over.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import CheckpointError
from nsg_cluster.core.files import write_atomic
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.data.scene import Scene
from nsg_cluster.models.base import Model
from nsg_cluster.models.build import build_model

__all__ = [
    "Snapshot",
    "discard",
    "identity",
    "load_model",
    "load_newest",
    "newest_step",
    "newest_weights",
    "save",
    "set_aside_newer",
]

log = logging.getLogger(__name__)

FORMAT = 2
NAME = re.compile(r"step-(\d{8,})\.pt")
# What may change between the attempts of one run without changing its result.
FREE = (
    "data.root",
    "train.device",
    "train.threads",
    "train.checkpoint_every_s",
    "train.keep_checkpoints",
    "train.log_every",
    "train.preview_every",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of a training between two steps."""

    step: int
    """Optimizer steps done."""
    restart: int
    """Starts given up before this one."""
    rays: int
    """Rays of the next step."""
    cpu_s: float
    """CPU time spent on training so far, all attempts together."""
    wall_s: float
    """Time spent on training so far, all attempts together."""
    threads: int
    """CPU threads that computed it."""
    model: dict[str, Any]
    """Parameters and buffers."""
    optimizer: dict[str, Any]
    """Moments and settings."""
    samples: int | None = None
    """Field evaluations aimed at in the next step: fewer than configured where memory was short."""
    average: dict[str, Any] | None = None
    """Parameters that are evaluated instead of the model's own, if any are kept: a running mean, or Reptile's start."""
    slow: dict[str, Any] | None = None
    """The slow weights of Lookahead, if there are any."""
    errors: Tensor | None = None
    """What the error map remembers, if there is one."""
    loss_scale: tuple[float, int] = (1.0, 0)
    """Factor of the loss, and good steps since it last changed."""


def identity(experiment: Experiment) -> dict[str, Any]:
    """Return, by dotted key, what decides the weights that a training arrives at."""
    document = experiment.model_dump(mode="json", include={"seed", "data", "model", "train"})
    return {key: value for key, value in _flat(document).items() if key not in FREE}


def save(folder: Path, snapshot: Snapshot, *, identity: dict[str, Any], keep: int) -> Path:
    """Write a checkpoint and remove all but the newest ``keep``.

    Raises:
        RunError: It cannot be written; the older checkpoints are as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    fields = {name: getattr(snapshot, name) for name in Snapshot.__dataclass_fields__}
    torch.save({"format": FORMAT, "identity": json.dumps(identity), **fields}, buffer)
    content = buffer.getvalue()
    path = folder / f"step-{snapshot.step:08d}.pt"
    write_atomic(_checksum_path(path), f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")
    write_atomic(path, content)
    for old in _newest_first(folder)[keep:]:
        _remove(old)
    return path


def load_newest(
    folder: Path, *, identity: dict[str, Any], report: Callable[[str], None] = log.warning
) -> Snapshot | None:
    """Return the newest good checkpoint, or None where there is none.

    Args:
        folder: Where checkpoints lie.
        identity: Of the experiment that wants to go on from it.
        report: Called with a sentence for each checkpoint that is passed over.

    Raises:
        CheckpointError: The checkpoint belongs to another experiment.
    """
    for path in _newest_first(folder):
        try:
            document = _read(path)
        except CheckpointError as error:
            report(str(error))
            continue
        _check_identity(path, json.loads(document.pop("identity")), identity)
        # What a later version has added is not in an older one's file, and has its default.
        return Snapshot(**{name: document[name] for name in Snapshot.__dataclass_fields__ if name in document})
    return None


def newest_weights(folder: Path) -> dict[str, Any]:
    """Return the newest good weights of a run or a task, whatever experiment it was; their mean where one was kept.

    Raises:
        CheckpointError: There are none.
    """
    for place in (folder, folder / "tasks" / "0"):
        for path in _newest_first(TaskPaths(place).checkpoints):
            try:
                document = _read(path)
            except CheckpointError as error:
                log.warning("%s", error)
                continue
            weights: dict[str, Any] = document["model"] | (document["average"] or {})
            return weights
    raise CheckpointError(f"{folder}: holds no usable checkpoint; name the folder of a run that was trained")


def load_model(experiment: Experiment, paths: TaskPaths, scene: Scene) -> tuple[Model, Snapshot]:
    """Return the model of a task as its newest good checkpoint has it, on the CPU and in evaluation mode.

    Its weights are their running mean, where one was kept.

    Raises:
        CheckpointError: There is no good checkpoint, or it belongs to another experiment.
    """
    snapshot = load_newest(paths.checkpoints, identity=identity(experiment))
    if snapshot is None:
        raise CheckpointError(f"{paths.checkpoints}: holds no usable checkpoint; train first")
    model = build_model(experiment.model, scene)
    model.load_state_dict(snapshot.model | (snapshot.average or {}))
    return model.eval(), snapshot


def newest_step(folder: Path) -> int | None:
    """Return the step of the newest checkpoint, good or not; None where there is none."""
    return next((_step_of(path) for path in _newest_first(folder)), None)


def discard(folder: Path) -> None:
    """Remove all checkpoints."""
    for path in _newest_first(folder):
        _remove(path)


def set_aside_newer(folder: Path, step: int) -> None:
    """Rename checkpoints after a step to ``….damaged``: none was usable, and newer ones will take their place."""
    for path in _newest_first(folder):
        if _step_of(path) > step:
            path.replace(path.with_name(f"{path.name}.damaged"))
            _checksum_path(path).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint after comparing its checksum."""
    try:
        content = path.read_bytes()
        expected = _checksum_path(path).read_text().split()[0]
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: is passed over: {Path(error.filename).name} is missing") from None
    except (OSError, IndexError, ValueError) as error:
        raise CheckpointError(f"{path}: is passed over: it or its checksum cannot be read ({error})") from None
    if hashlib.sha256(content).hexdigest() != expected:
        raise CheckpointError(f"{path}: is passed over: its content does not match its checksum (cut short or damaged)")
    try:
        document: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        known = document["format"] == FORMAT
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError):
        known = False
    if not known:
        raise CheckpointError(f"{path}: is passed over: it is not a checkpoint of this version of nsg_cluster")
    return document


def _check_identity(path: Path, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Compare the keys that both know, so that a key added by a later version refuses nothing."""
    different = [key for key in ours if key in theirs and theirs[key] != ours[key]]
    if different:
        what = "; ".join(f"{key} was {theirs[key]!r} and is {ours[key]!r}" for key in different)
        raise CheckpointError(
            f"{path}: belongs to another experiment ({what}): give the experiment back its old values, "
            "or start a new run"
        )


def _flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _newest_first(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if NAME.fullmatch(path.name)] if folder.is_dir() else []
    return sorted(found, key=_step_of, reverse=True)


def _step_of(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])


def _checksum_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _remove(path: Path) -> None:
    """Remove the checkpoint before its checksum: a checksum without a checkpoint does no harm."""
    path.unlink(missing_ok=True)
    _checksum_path(path).unlink(missing_ok=True)
