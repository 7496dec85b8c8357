"""The words of this package: job numbers, states, what a job needs, what is submitted, what is known of it.

A *job* is what the scheduler knows. An array job has *elements*, counted from 0 here whatever the scheduler counts
from. Times are unix seconds, amounts of memory bytes, and everything that a job needs is meant for each node.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum

from nsg_cluster.core.errors import ConfigError

__all__ = [
    "Dependency",
    "JobId",
    "JobState",
    "JobStatus",
    "Resources",
    "Source",
    "Submission",
    "job_name",
]

LONGEST_NAME = 60


class JobState(Enum):
    """What became of a job, in the same words for every scheduler."""

    SUBMITTED = "submitted"
    """Accepted, not seen in the queue yet."""
    QUEUED = "queued"
    HELD = "held"
    """Waits for a person, a date or another job."""
    BLOCKED = "blocked"
    """Will never start: its dependency cannot be met, nothing offers what it asks for, or it failed to start."""
    STARTING = "starting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    COMPLETING = "completing"
    REQUEUED = "requeued"
    """Has run and goes back to the queue."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Ended with another exit status than 0, or by a signal."""
    TIMEOUT = "timeout"
    OOM = "oom"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    NODE_FAIL = "node_fail"
    LOST = "lost"
    """The scheduler answers, and has known nothing of it for too long."""
    UNKNOWN = "unknown"
    """The scheduler uses a word that is not in our table; the raw text is kept."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in OVER

    @property
    def is_waiting(self) -> bool:
        """Whether it may still start."""
        return self in WAITING


OVER = frozenset(
    {
        JobState.BLOCKED,
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.TIMEOUT,
        JobState.OOM,
        JobState.CANCELLED,
        JobState.PREEMPTED,
        JobState.NODE_FAIL,
        JobState.LOST,
    }
)
WAITING = frozenset({JobState.SUBMITTED, JobState.QUEUED, JobState.HELD, JobState.REQUEUED})


class Source(Enum):
    """Who said it."""

    QUEUE = "queue"
    ACCOUNTING = "accounting"
    TOMBSTONE = "tombstone"
    """Our own cancellation."""
    ABSENCE = "absence"
    """Nobody knows the job."""


@dataclass(frozen=True, slots=True)
class JobId:
    """A job, or one element of an array job.

    Its text is the same on both sides of the submission and serves as a file name: ``15``, or ``15_3`` for an element.
    """

    number: str
    index: int | None = None
    """Element, counted from 0; ``None`` for a plain job and for an array as a whole."""
    is_array: bool = field(default=False, compare=False)
    """Whether it is an array job as a whole, which PBS spells ``15[]``."""
    server: str = field(default="", compare=False)
    """What PBS appends to the number, such as ``pbs1``."""

    def __str__(self) -> str:
        """Return ``15`` or ``15_3``."""
        return self.number if self.index is None else f"{self.number}_{self.index}"

    @classmethod
    def parse(cls, text: str) -> JobId:
        """Return the job of a text such as ``15`` or ``15_3``.

        Raises:
            ValueError: The text is of another form.
        """
        match = re.fullmatch(r"(\d+)(?:_(\d+))?", text, re.ASCII)
        if not match:
            raise ValueError(f"{text!r} is not a job such as 15 or 15_3")
        return cls(match[1], None if match[2] is None else int(match[2]))

    @property
    def job(self) -> JobId:
        """The job as a whole."""
        return self if self.index is None else replace(self, index=None, is_array=True)

    def element(self, index: int) -> JobId:
        """Return an element of this array job."""
        return replace(self, index=index, is_array=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a job, or each element of an array, needs."""

    walltime_s: int | None = None
    """Time limit; the site's default if ``None``."""
    nodes: int = 1
    """Nodes, or pieces of the resource type."""
    resource_type: str | None = None
    """What the site calls the piece of a node to take, such as ``rt_HG``; it fixes the three below."""
    gpus: int | None = None
    cpus: int | None = None
    memory_bytes: int | None = None
    queue: str | None = None
    """Queue or partition."""

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            ConfigError: They do not.
        """
        amounts = {"gpus": self.gpus, "cpus": self.cpus, "memory": self.memory_bytes}
        given = [name for name, value in amounts.items() if value is not None]
        if self.resource_type is not None and given:
            raise ConfigError(f"resource type {self.resource_type} fixes {', '.join(given)}; ask for one or the other")
        if self.nodes < 1 or (self.walltime_s is not None and self.walltime_s < 1):
            raise ConfigError(f"{self.nodes} nodes for {self.walltime_s} s: both must be at least 1")
        if any(value < (0 if name == "gpus" else 1) for name, value in amounts.items() if value is not None):
            raise ConfigError(f"{', '.join(given)}: an amount is too small")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Jobs that must have ended before this one starts."""

    jobs: tuple[JobId, ...]
    success: bool
    """They must have succeeded; otherwise it does not matter how they ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One call of the submit command."""

    name: str
    """Name of the job, see `job_name`."""
    resources: Resources
    sink: str
    """Existing folder for what the scheduler itself writes; the script redirects its own output."""
    group: str | None = None
    """Group, project or account that pays."""
    elements: int | None = None
    """Elements of an array job; ``None`` for a plain job. An array of one is a plain job, as PBS knows no other."""
    max_parallel: int | None = None
    """Elements that may run at the same time."""
    after: Dependency | None = None
    options: tuple[str, ...] = ()
    """Further options of the site, one line each, as they stand in a script: ``-p -400``."""

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            ConfigError: They do not.
        """
        if self.elements is not None and self.elements < 1:
            raise ConfigError(f"an array of {self.elements} elements cannot be submitted")
        if self.max_parallel is not None and self.max_parallel < 1:
            raise ConfigError(f"max_parallel must be at least 1, not {self.max_parallel}")
        if self.name != job_name(self.name):
            raise ConfigError(f"{self.name!r} is not a name for a job that every scheduler takes; use job_name")
        for option in self.options:
            if not option.strip() or "\n" in option:
                raise ConfigError(f"option {option!r} of the site must be one line")

    @property
    def is_array(self) -> bool:
        """Whether the scheduler is asked for an array."""
        return self.elements is not None and self.elements > 1

    def ids(self, job: JobId) -> tuple[JobId, ...]:
        """Return the job of each element, or the plain job."""
        return tuple(job.element(index) for index in range(self.elements or 1)) if self.is_array else (job,)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """What a scheduler says of a job or element."""

    id: JobId
    state: JobState
    raw: str
    """The scheduler's own words for the state."""
    source: Source
    reason: str = ""
    """Why it waits, or how it ended, in the scheduler's words."""
    exit_status: int | None = None
    """Exit status; ``None`` where it has not ended or was ended by a signal."""
    signal: int | None = None
    """Number of the signal that ended it."""
    name: str = ""
    """Name of the job."""


def job_name(text: str) -> str:
    """Return a name near a text that every scheduler takes: begins with a letter; letters, digits, ``_``, ``.``, ``-``.

    Grid Engine refuses names that begin with a digit or hold ``/``, PBS blanks, and all of them line ends.
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)
    return (plain if re.match("[A-Za-z]", plain) else f"j{plain}")[:LONGEST_NAME]
