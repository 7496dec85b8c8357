"""What became of runs: one row a run, one a task.

What the files of a task say comes first, then the user's tombstone, then the scheduler. A scheduler is asked only for
tasks whose files cannot tell, once for all runs. Nothing here reads YAML or needs a model of the configuration, so that
a thousand tasks are listed in a moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.runs.look import Look, complete
from nsg_cluster.tasks.status import State, TaskStatus, read_status

__all__ = ["RunReader", "RunRow", "TaskRow", "read_rows", "read_run"]

# What the state of a run is called when its tasks have ended differently.
WORST_FIRST: tuple[State, ...] = (
    "failed",
    "oom",
    "timeout",
    "node_fail",
    "preempted",
    "blocked",
    "lost",
    "cancelled",
    "succeeded",
)
# What a run that has not ended is called, by the first of its tasks' states that is among these.
BUSIEST_FIRST: tuple[State, ...] = (
    "running",
    "completing",
    "suspended",
    "starting",
    "requeued",
    "unknown",
    "queued",
    "submitted",
    "held",
)


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
    complaint: str = ""
    """Why more is not known: its scheduler does not answer."""

    @property
    def state(self) -> State:
        """The state of all tasks together."""
        states = {task.status.state for task in self.tasks}
        waiting = states & set(BUSIEST_FIRST)
        if waiting and states & set(WORST_FIRST):
            return "running"  # some have ended, others go on
        order = BUSIEST_FIRST if waiting else WORST_FIRST
        return next(state for state in order if state in states)

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
            "is_final": self.is_final,
            "complaint": self.complaint,
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

    def read(self, *, fresh: bool = False) -> RunRow:
        """Return what is known now.

        Args:
            fresh: Ask the run's scheduler even if it was asked a moment ago.
        """
        (row,) = read_rows([self], fresh=fresh)
        return row

    def look(self) -> Look:
        """Return what the files say."""
        return Look(self._run, {index: self._status(index) for index in range(len(self._names))})

    def _status(self, index: int) -> TaskStatus:
        ended = self._ended.get(index)
        return ended.status if ended else read_status(self._run.task(index))

    def row(self, look: Look) -> RunRow:
        """Return the row of what is known."""
        return RunRow(
            id=self._id,
            name=self._name,
            folder=self._run.root,
            created=self._created,
            tasks=tuple(self._row(index, status) for index, status in look.statuses.items()),
            complaint=look.complaint,
        )

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
        # Not what only others say, which may be what is known so far: the file has the last word.
        if status.state in {"succeeded", "failed", "timeout"} and status.source == "file":
            self._ended[index] = row
        return row


def read_rows(readers: Sequence[RunReader], *, fresh: bool = False) -> list[RunRow]:
    """Return what is known of runs now, with one query for all runs of a scheduler."""
    looks = [reader.look() for reader in readers]
    complete(looks, fresh=fresh)
    return [reader.row(look) for reader, look in zip(readers, looks, strict=True)]


def read_run(run: RunPaths, *, fresh: bool = False) -> RunRow:
    """Return the row of a run.

    Raises:
        RunError: The run has no record, or a damaged one.
    """
    return RunReader(run).read(fresh=fresh)


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        content = read_json(path)
    except RunError:
        return {}
    return content if isinstance(content, dict) else {}
