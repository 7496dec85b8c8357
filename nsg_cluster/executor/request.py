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
    cpus: int | None = None
    """CPU cores; ``None`` for what there is."""
    memory_bytes: int | None = None
    resource_type: str | None = None
    """Piece of a node that the site sells; ``None`` for the cheapest that is large enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a run needs."""

    max_parallel: int | None
    """Tasks that may run at the same time; ``None`` for as many as a scheduler runs."""
    tasks: tuple[TaskRequest, ...]
    """In the order of their indices."""

    def to_json(self) -> dict[str, Any]:
        """Return the request as it stands in a run's record."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Request:
        """Return the request that a run's record holds."""
        return cls(max_parallel=content["max_parallel"], tasks=tuple(TaskRequest(**task) for task in content["tasks"]))
