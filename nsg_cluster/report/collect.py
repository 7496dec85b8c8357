"""Run folders to rows: one a task, with what differs between their experiments, their metrics and their cost.

Whatever a run has left is used: a missing or damaged file becomes a note of the row, never an error. Notes are
sentences; times are unix seconds; metrics are ``None`` where there are none.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nsg_cluster.config.compose import load
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.documents import YamlDocument, read_yaml
from nsg_cluster.core.errors import NsgError, RunError
from nsg_cluster.core.files import read_json, read_jsonl
from nsg_cluster.core.paths import RunPaths, TaskPaths
from nsg_cluster.core.units import format_duration
from nsg_cluster.report.settings import ABSENT, differing, flattened

__all__ = ["Row", "TaskFiles", "absences", "collect", "number", "read_tasks", "rows_of", "text_of"]

T = TypeVar("T")
SILENT_S = 120.0
# What differs between any two tasks and tells nothing.
OBVIOUS = {"name", "description"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFiles:
    """What the files of one task say; those that are missing or damaged are empty."""

    run: RunPaths
    paths: TaskPaths
    index: int
    record: Mapping[str, Any]
    spec: YamlDocument | None
    """The resolved experiment as written, with its lines."""
    experiment: Experiment | None
    """The same, validated; absent where this version of the package does not understand it."""
    status: Mapping[str, Any]
    progress: Mapping[str, Any]
    metrics: Mapping[str, Any]
    environment: Mapping[str, Any]
    scalars: tuple[Mapping[str, Any], ...]
    """Lines of the event file that hold numbers, their steps never decreasing."""
    notices: tuple[Mapping[str, Any], ...]
    """Lines of the event file that hold a sentence."""
    notes: tuple[str, ...]
    """What is missing or damaged."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The experiment as nested mappings: validated where it can be, otherwise as written."""
        if self.experiment:
            return self.experiment.model_dump(mode="json", by_alias=True)
        return self.spec.mapping if self.spec else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task of one run."""

    run: str
    """Name of the run's folder."""
    name: str
    """Name of the experiment."""
    index: int
    """Index of the task in its run."""
    state: str
    """What ``status.json`` says; ``queued`` before there is one, ``unknown`` where it says nothing."""
    differences: Mapping[str, Any]
    """Settings, by dotted path, that are not the same in all rows."""
    psnr: float | None
    """Mean over the held-out views, in dB."""
    ssim: float | None
    lpips: float | None
    step: int | None
    """Last step that is known to have been done."""
    steps: int | None
    """Steps asked for."""
    train_s: float | None
    """Wall time of training, in seconds."""
    train_cpu_s: float | None
    """CPU time of training, in seconds."""
    machine: str
    folder: Path
    """Folder of the task."""
    notes: tuple[str, ...]


def collect(run_folders: Sequence[Path]) -> list[Row]:
    """Return one row for each task of each run, in order.

    Raises:
        RunError: A folder is missing or is not that of a run.
    """
    return rows_of(read_tasks(run_folders))


def read_tasks(run_folders: Sequence[Path]) -> list[TaskFiles]:
    """Return what the files of every task of every run say.

    Raises:
        RunError: A folder is missing or is not that of a run.
    """
    return [task for folder in run_folders for task in _read_run(RunPaths(Path(folder)))]


def rows_of(tasks: Sequence[TaskFiles]) -> list[Row]:
    """Return one row for each task."""
    flats = [flattened(task.settings) for task in tasks]
    paths = [path for path in differing([flat for flat in flats if flat]) if path not in OBVIOUS]
    if "data.name" in paths and "data.model" in paths:
        paths.remove("data.model")  # the long way to the same model
    return [
        _row(task, {path: flat.get(path, ABSENT) for path in paths} if flat else {})
        for task, flat in zip(tasks, flats, strict=True)
    ]


def number(value: Any) -> float | None:
    """Return a finite number as it is, anything else as ``None``."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None


def text_of(mapping: Mapping[str, Any], *keys: str) -> str:
    """Return the first of some entries that is a text or a number, as text; empty where there is none."""
    found = (mapping.get(key) for key in keys)
    return next((str(value) for value in found if isinstance(value, (str, int, float)) and value != ""), "")


def _read_run(run: RunPaths) -> list[TaskFiles]:
    if not run.root.is_dir():
        raise RunError(f"{run.root}: no such run folder")
    if not (run.record.is_file() or run.spec.is_file() or run.tasks.is_dir()):
        raise RunError(f"{run.root}: is not a run folder: it has none of {run.record.name}, {run.spec.name} and tasks")
    notes: list[str] = []
    record: Mapping[str, Any] = _read(run.record, _read_mapping, {}, notes)
    begun = {int(path.name) for path in _entries(run.tasks) if path.name.isdecimal() and path.is_dir()}
    indices = sorted(begun | set(range(len(_recorded_tasks(record))))) or [0]
    return [_read_task(run, index, record, notes) for index in indices]


def _recorded_tasks(record: Mapping[str, Any]) -> list[Any]:
    tasks = record.get("tasks")
    return tasks if isinstance(tasks, list) else []


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _read_task(run: RunPaths, index: int, record: Mapping[str, Any], run_notes: Sequence[str]) -> TaskFiles:
    paths, notes = run.task(index), list(run_notes)
    has_begun = paths.status.exists() or paths.events.exists()
    if not has_begun:
        notes.append("the task has not begun")
    spec_path = paths.spec if paths.spec.exists() else run.spec
    spec = _read(spec_path, read_yaml, None, notes)
    experiment = _read(spec_path, lambda path: load(path, variables={}), None, notes) if spec else None
    trains = experiment is None or "train" in experiment.stages
    events: list[dict[str, Any]] = _read(paths.events, read_jsonl, [], notes, is_expected=has_begun and trains)
    return TaskFiles(
        run=run,
        paths=paths,
        index=index,
        record=record,
        spec=spec,
        experiment=experiment,
        status=_read(paths.status, _read_mapping, {}, notes, is_expected=has_begun),
        progress=_read(paths.progress, _read_mapping, {}, [], is_expected=False),
        metrics=_read(paths.metrics, _read_mapping, {}, notes, is_expected=False),
        environment=_read(paths.environment, _read_mapping, {}, notes, is_expected=has_begun),
        scalars=_surviving([event for event in events if "notice" not in event]),
        notices=tuple(event for event in events if isinstance(event.get("notice"), str)),
        notes=tuple(notes),
    )


def _read(path: Path, read: Callable[[Path], T], default: T, notes: list[str], *, is_expected: bool = True) -> T:
    """Return what a reader makes of a file; where that fails, the default, and why as a note."""
    if not path.exists():
        if is_expected:
            notes.append(f"{path.name} is missing")
        return default
    try:
        return read(path)
    except NsgError as error:
        lines = str(error).replace(f"{path}:", f"{path.name}:").splitlines()
        notes.append(lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""))
    return default


def _read_mapping(path: Path) -> Mapping[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise RunError(f"{path}: is damaged, it holds no mapping")
    return content


def _surviving(events: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return the events that led to the newest state: a resumed training repeats the steps after its checkpoint."""
    kept: list[Mapping[str, Any]] = []
    for event in events:
        step = number(event.get("step"))
        if step is None:
            continue
        while kept and kept[-1]["step"] > step:
            kept.pop()
        kept.append(event)
    return tuple(kept)


def _row(task: TaskFiles, differences: Mapping[str, Any]) -> Row:
    mean = task.metrics.get("mean")
    mean = mean if isinstance(mean, dict) else {}
    last = task.scalars[-1] if task.scalars else {}
    progress = task.progress if task.progress.get("stage") == "train" else {}
    steps = task.experiment.train.steps if task.experiment else number(progress.get("steps"))
    done = [number(source.get("step")) for source in (task.metrics, progress, last)]
    train_s, train_cpu_s = number(task.metrics.get("train_seconds")), number(task.metrics.get("train_cpu_seconds"))
    return Row(
        run=task.run.root.resolve().name,
        name=_recorded_name(task) or text_of(task.settings, "name") or task.run.root.resolve().parent.name,
        index=task.index,
        state=text_of(task.status, "state") or _state_without_status(task.paths),
        differences=differences,
        psnr=number(mean.get("psnr")),
        ssim=number(mean.get("ssim")),
        lpips=number(mean.get("lpips")),
        step=max((int(step) for step in done if step is not None), default=None),
        steps=None if steps is None else int(steps),
        train_s=number(last.get("wall_s")) if train_s is None else train_s,
        train_cpu_s=number(last.get("cpu_s")) if train_cpu_s is None else train_cpu_s,
        machine=_machine(task.environment) or text_of(task.status, "host"),
        folder=task.paths.root,
        notes=(*task.notes, *_remarks(task, mean)),
    )


def _state_without_status(paths: TaskPaths) -> str:
    if paths.cancelled.exists():
        return "cancelled"
    return "unknown" if paths.status.exists() or paths.events.exists() else "queued"


def _recorded_name(task: TaskFiles) -> str:
    tasks = _recorded_tasks(task.record)
    entry = tasks[task.index] if task.index < len(tasks) else None
    return text_of(entry, "name") if isinstance(entry, dict) else ""


def _machine(environment: Mapping[str, Any]) -> str:
    device = text_of(environment, "device_name", "gpu", "cpu_model", "cpu", "device")
    threads, host = number(environment.get("threads")), text_of(environment, "hostname", "host")
    said = "" if threads is None else f"{threads} thread{'' if threads == 1 else 's'}"
    return " · ".join(part for part in (device, said, host) if part)


def _remarks(task: TaskFiles, mean: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the row has to know about a task that did not end well, or not yet."""
    state, remarks = text_of(task.status, "state"), []
    if reason := text_of(task.status, "reason"):
        remarks.append(reason)
    heartbeat = number(task.status.get("heartbeat"))
    if state == "running" and heartbeat is not None and (silent_s := time.time() - heartbeat) > SILENT_S:
        remarks.append(f"said to be running, but silent for {format_duration(silent_s)}")
    if not mean and (task.experiment is None or "evaluate" in task.experiment.stages):
        remarks.append("not evaluated" if state in {"succeeded", "failed", "cancelled"} else "not evaluated yet")
    return remarks + absences(task.metrics)


def absences(metrics: Mapping[str, Any]) -> list[str]:
    """Return which metrics are absent, and why."""
    absent = metrics.get("absent")
    return [f"no {name}: {why}" for name, why in absent.items()] if isinstance(absent, dict) else []
