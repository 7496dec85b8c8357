"""What a run asks of whatever starts its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Request", "TaskRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """What one task needs."""

    gpus: int | None
    """GPUs; ``None`` for all that the machine has."""
    walltime_s: int | None
    """Seconds after which the task is warned, stopped and continued; ``None`` for no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a run needs."""

    max_parallel: int
    """Tasks that may run at the same time."""
    tasks: tuple[TaskRequest, ...]
    """In the order of their indices."""

    def to_json(self) -> dict[str, Any]:
        """Return the request as it stands in a run's record."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Request:
        """Return the request that a run's record holds."""
        tasks = tuple(TaskRequest(gpus=task["gpus"], walltime_s=task["walltime_s"]) for task in content["tasks"])
        return cls(max_parallel=content["max_parallel"], tasks=tasks)
