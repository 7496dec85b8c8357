"""What real schedulers answered, as recorded in ``tests/recorded``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nsg_cluster.core.process import Completed
from nsg_cluster.scheduler.types import JobState, JobStatus, Resources, Submission

RECORDED = Path(__file__).resolve().parents[1] / "recorded"


def recorded(name: str) -> str:
    """Return the text of a recorded file."""
    return (RECORDED / name).read_text()


def answer(out: str = "", *, status: int = 0, err: str = "") -> Completed:
    """Return the answer of a program."""
    return Completed(("asked",), status, out, err)


def states(found: Iterable[JobStatus]) -> dict[str, JobState]:
    """Return the states by job, each job once."""
    statuses = list(found)
    by_job = {str(status.id): status.state for status in statuses}
    assert len(by_job) == len(statuses)
    return by_job


def submission(**changes: object) -> Submission:
    """Return a submission with some parts changed."""
    base = {"name": "lego", "resources": Resources(walltime_s=5400, resource_type="rt_HG"), "sink": "/groups/gaa/x"}
    return Submission(**(base | changes))  # type: ignore[arg-type]
