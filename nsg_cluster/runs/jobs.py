"""What was handed to a scheduler: ``jobs.json`` of a run.

A *submission* is one call of the submit command. It is written down before the call, with a token that is the job's
name: whoever finds it without a number asks the scheduler for the token, and nothing is submitted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.scheduler.types import JobId

__all__ = ["Jobs", "Submitted", "read_jobs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """One submission."""

    token: str
    """Name of the job."""
    time: float
    """When it was made, in unix seconds."""
    tasks: tuple[int, ...]
    """The run's tasks, in the order of the job's elements."""
    job: JobId | None = None
    """The job as a whole; ``None`` until the scheduler's answer is known."""
    was_refused: bool = False
    """Whether the scheduler has been asked for the token, later, and knows no such job."""

    def elements(self) -> dict[int, JobId]:
        """Return the jobs of its tasks by their indices."""
        if self.job is None:
            return {}
        if len(self.tasks) == 1:
            return {self.tasks[0]: self.job}
        return {index: self.job.element(element) for element, index in enumerate(self.tasks)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """Content of ``jobs.json``."""

    scheduler: str
    """Its dialect: ``slurm``, ``gridengine`` or ``pbs``."""
    submissions: tuple[Submitted, ...]
    """In the order in which they were made."""
    by_hand: frozenset[int] = frozenset()
    """Tasks that were run without the scheduler since, by ``launch.py train RUN``."""

    @property
    def is_open(self) -> bool:
        """Whether a submission was begun of which it is not known whether the scheduler took it."""
        return any(made.job is None and not made.was_refused for made in self.submissions)

    def newest(self) -> dict[int, Submitted]:
        """Return the newest submission of each task that the scheduler has to do with."""
        found = {index: made for made in self.submissions for index in made.tasks}
        return {index: made for index, made in found.items() if index not in self.by_hand}

    def with_(self, made: Submitted) -> Jobs:
        """Return these with a submission added, or replaced by what is known of it now."""
        # A dictionary keeps the place of what is replaced.
        submissions = {**{other.token: other for other in self.submissions}, made.token: made}
        return replace(self, submissions=tuple(submissions.values()), by_hand=self.by_hand.difference(made.tasks))

    def run_by_hand(self, tasks: Sequence[int]) -> Jobs:
        """Return these after somebody took tasks out of the scheduler's hands."""
        return replace(self, by_hand=self.by_hand.union(tasks))

    def write(self, run: RunPaths) -> None:
        """Replace the file.

        Raises:
            RunError: It cannot be written.
        """
        write_json(run.jobs, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        submissions = [_to_json(made) for made in self.submissions]
        return {"scheduler": self.scheduler, "submissions": submissions, "by_hand": sorted(self.by_hand)}


def _to_json(made: Submitted) -> dict[str, Any]:
    job = made.job and {"number": made.job.number, "is_array": made.job.is_array, "server": made.job.server}
    return {
        "token": made.token,
        "time": made.time,
        "tasks": list(made.tasks),
        "job": job,
        "was_refused": made.was_refused,
    }


def read_jobs(run: RunPaths) -> Jobs | None:
    """Return what was handed to a scheduler; ``None`` for a run of this machine.

    Raises:
        RunError: The file is damaged.
    """
    if not run.jobs.exists():
        return None
    found = read_json(run.jobs)
    try:
        submissions = tuple(map(_parsed, found["submissions"]))
        by_hand = frozenset(map(int, found["by_hand"]))
        return Jobs(scheduler=str(found["scheduler"]), submissions=submissions, by_hand=by_hand)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{run.jobs}: is damaged or of another version: {error!r}") from None


def _parsed(content: Mapping[str, Any]) -> Submitted:
    job = content["job"]
    return Submitted(
        token=content["token"],
        time=float(content["time"]),
        tasks=tuple(map(int, content["tasks"])),
        job=job and JobId(job["number"], is_array=job["is_array"], server=job["server"]),
        was_refused=bool(content["was_refused"]),
    )
