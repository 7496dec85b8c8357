"""What became of runs, from their folders alone: one row a run, one a task.

Nothing here reads YAML or needs a model of the configuration, so that a thousand tasks are listed in a moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.executor.charge import starter_is_gone
from nsg_cluster.tasks.status import State, TaskStatus, current_status

__all__ = ["RunReader", "RunRow", "TaskRow", "read_run"]

# What the state of a run is called when its tasks have ended differently.
WORST_FIRST: tuple[State, ...] = ("failed", "timeout", "lost", "cancelled", "succeeded")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task."""

    index: int
    name: str
    folder: Path
    status: TaskStatus
    progress: Mapping[str, Any]
    """Content of ``progress.json``; empty where there is none."""
    metrics: Mapping[str, Any]
    """Content of ``metrics.json``; empty where there is none."""

    @property
    def psnr(self) -> float | None:
        """Mean over the held-out views, in dB."""
        return self._mean("psnr")

    @property
    def ssim(self) -> float | None:
        """Mean over the held-out views."""
        return self._mean("ssim")

    def _mean(self, name: str) -> float | None:
        mean = self.metrics.get("mean")
        value = mean.get(name) if isinstance(mean, Mapping) else None
        return float(value) if isinstance(value, (int, float)) else None

    @property
    def position(self) -> str:
        """How far it has come, such as ``train 1200/2000``."""
        if "step" not in self.progress:
            return ""
        return f"{self.progress.get('stage')} {self.progress['step']}/{self.progress.get('steps')}"

    def to_json(self) -> dict[str, Any]:
        """Return what ``status --json`` says of it."""
        status = asdict(self.status)
        del status["stopped_at"]
        steps = {key: self.progress.get(key) for key in ("stage", "step", "steps", "eta_s")}
        scores = {"psnr": self.psnr, "ssim": self.ssim}
        return {"index": self.index, "name": self.name, "folder": str(self.folder), **status, **steps, **scores}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run."""

    id: str
    name: str
    folder: Path
    created: float
    """When it was submitted, in unix seconds."""
    tasks: tuple[TaskRow, ...]

    @property
    def state(self) -> State:
        """The state of all tasks together."""
        states = {task.status.state for task in self.tasks}
        if "running" in states or ("queued" in states and len(states) > 1):
            return "running"
        if "queued" in states:
            return "queued"
        return next(state for state in WORST_FIRST if state in states)

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen unless somebody asks for it."""
        return all(task.status.is_final for task in self.tasks)

    @property
    def psnr(self) -> float | None:
        """Mean over the tasks that have been evaluated."""
        return _mean([task.psnr for task in self.tasks])

    @property
    def ssim(self) -> float | None:
        """Mean over the tasks that have been evaluated."""
        return _mean([task.ssim for task in self.tasks])

    @property
    def position(self) -> str:
        """How far it has come."""
        if len(self.tasks) == 1:
            return self.tasks[0].position
        counts = Counter(task.status.state for task in self.tasks)
        return f"{counts['succeeded']}/{len(self.tasks)} tasks"

    @property
    def exit_status(self) -> int:
        """0 where all tasks have succeeded, 2 where all failures are mistakes of the user, otherwise 1."""
        failed = [task.status for task in self.tasks if task.status.state != "succeeded"]
        if not failed:
            return 0
        return 2 if all(status.state == "failed" and status.exit_status == 2 for status in failed) else 1

    def to_json(self) -> dict[str, Any]:
        """Return what ``status --json`` says of it."""
        return {
            "id": self.id,
            "name": self.name,
            "folder": str(self.folder),
            "state": self.state,
            "created": self.created,
            "psnr": self.psnr,
            "ssim": self.ssim,
            "tasks": [task.to_json() for task in self.tasks],
        }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


class RunReader:
    """Reads the row of a run again and again; tasks that have ended are read once.

    Raises:
        RunError: The run has no record, or a damaged one.
    """

    def __init__(self, run: RunPaths) -> None:
        self._run = run
        record = read_json(run.record)
        try:
            self._id, self._name, self._created = str(record["id"]), str(record["name"]), float(record["time"])
            self._names = [str(task["name"]) for task in record["tasks"]]
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{run.record}: is damaged or of another version: {error!r}") from None
        self._ended: dict[int, TaskRow] = {}

    def read(self) -> RunRow:
        """Return what is known now."""
        statuses = [self._status(index) for index in range(len(self._names))]
        if any(status.state == "queued" for status in statuses) and starter_is_gone(self._run):
            # Read once more: the last thing that a starter does is to write the ends of its tasks.
            statuses = [self._status(index, is_orphan=True) for index in range(len(self._names))]
        rows = tuple(self._row(index, status) for index, status in enumerate(statuses))
        return RunRow(id=self._id, name=self._name, folder=self._run.root, created=self._created, tasks=rows)

    def _status(self, index: int, *, is_orphan: bool = False) -> TaskStatus:
        ended = self._ended.get(index)
        return ended.status if ended else current_status(self._run.task(index), starter_is_gone=is_orphan)

    def _row(self, index: int, status: TaskStatus) -> TaskRow:
        if index in self._ended:
            return self._ended[index]
        paths = self._run.task(index)
        row = TaskRow(
            index=index,
            name=self._names[index],
            folder=paths.root,
            status=status,
            progress=_mapping(paths.progress),
            metrics=_mapping(paths.metrics),
        )
        # Not 'lost' nor 'cancelled', which may be what is known so far: the file has the last word.
        if status.state in {"succeeded", "failed", "timeout"}:
            self._ended[index] = row
        return row


def read_run(run: RunPaths) -> RunRow:
    """Return the row of a run.

    Raises:
        RunError: The run has no record, or a damaged one.
    """
    return RunReader(run).read()


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        content = read_json(path)
    except RunError:
        return {}
    return content if isinstance(content, dict) else {}
