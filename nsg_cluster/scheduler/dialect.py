"""What every scheduler can be asked, as text: which program with which arguments, and what its answer means.

Nothing here starts a program. An answer that is not one (the server is down, the text cannot be read) raises
`MachineError`: whoever asked then knows no more than before, and changes nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

from nsg_cluster.core.errors import ConfigError, MachineError
from nsg_cluster.core.process import Completed
from nsg_cluster.scheduler.types import JobId, JobStatus, Submission

__all__ = ["Dialect", "check_cancellation", "checked_path", "hours", "not_expressible", "refused", "unreadable"]


@runtime_checkable
class Dialect(Protocol):
    """One kind of scheduler, with what a site has settled about it."""

    name: ClassVar[str]
    """One word, as a site's file and submitit spell it."""
    title: ClassVar[str]
    """What people call it."""
    prefix: ClassVar[str]
    """What an option in a script begins with, such as ``#PBS``."""
    programs: ClassVar[tuple[str, ...]]
    """Programs of its that are used here."""
    variables: ClassVar[str]
    """Environment variables that it sets in a job, between blanks."""
    identity: ClassVar[tuple[str, ...]]
    """Lines of bash that set ``NSG_JOB_ID`` (as `JobId` spells it) and ``NSG_TASK`` (the element, 0 if none)."""

    def directives(self, submission: Submission) -> tuple[str, ...]:
        """Return the options that stand in the script: those that say what a job is.

        Raises:
            ConfigError: The scheduler cannot express something that is asked for.
        """

    def submit_argv(self, submission: Submission, script: str) -> list[str]:
        """Return the submit command: script, and the options that say what this one submission is."""

    def parse_submission(self, answer: Completed) -> JobId:
        """Return the job that was submitted; whether there is one decides, not the exit status.

        Raises:
            MachineError: None was.
        """

    def queue_argvs(self, jobs: Sequence[JobId], user: str) -> list[list[str]]:
        """Return the commands that list jobs: the first whose answer can be read will do."""

    def parse_queue(self, answer: Completed) -> list[JobStatus]:
        """Return what is said of jobs and elements, those that were asked for among them.

        Raises:
            MachineError: It is not an answer.
        """

    def accounting_argv(self, jobs: Sequence[JobId], user: str, since: float) -> list[str] | None:
        """Return the command that lists ended jobs; ``None`` where the queue shows them.

        Args:
            jobs: The jobs.
            user: Whose they are.
            since: When the first of them was submitted.
        """

    def parse_accounting(self, answer: Completed) -> list[JobStatus]:
        """Return what is said of ended jobs, at most one status for each.

        Raises:
            MachineError: It is not an answer.
        """

    def reasons_argv(self, jobs: Sequence[JobId]) -> list[str] | None:
        """Return the command that says why jobs are blocked; ``None`` where the queue does."""

    def parse_reasons(self, answer: Completed) -> dict[str, str]:
        """Return the reasons by number of the job."""

    def cancel_argv(self, jobs: Sequence[JobId]) -> list[str]:
        """Return the command that cancels jobs and elements."""

    def check_cancellation(self, answer: Completed) -> None:
        """Accept that jobs are gone already.

        Raises:
            MachineError: Something else went wrong.
        """

    def find_argv(self, name: str, user: str) -> list[str]:
        """Return the command that finds jobs by their name."""

    def offers_argv(self) -> list[str]:
        """Return the command that lists what jobs can ask for by name: pieces of nodes, queues, partitions."""

    def parse_offers(self, answer: Completed) -> set[str]:
        """Return those names.

        Raises:
            MachineError: It is not an answer.
        """

    def find_ended_argv(self, name: str, user: str, since: float) -> list[str] | None:
        """Return the command that finds ended jobs by their name, to be read as accounting; ``None`` if the first does.

        Args:
            name: The name.
            user: Whose they are.
            since: When they were submitted at the earliest.
        """

    def parse_find(self, answer: Completed, name: str) -> list[JobId]:
        """Return the jobs that bear a name.

        Raises:
            MachineError: It is not an answer.
        """


def hours(seconds: int) -> str:
    """Return a duration as ``26:03:09``, which all of them take."""
    minutes, rest_s = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest_s:02}"


def checked_path(title: str, path: str, forbidden: str) -> str:
    """Return a path that the scheduler takes literally.

    Raises:
        ConfigError: It would read something else from it.
    """
    wrong = [character for character in forbidden if character in path]
    if wrong:
        raise ConfigError(f"{path!r}: {title} misreads {wrong[0]!r} in a path; choose another storage folder")
    return path


def not_expressible(title: str, submission: Submission, hints: Mapping[str, str]) -> None:
    """Refuse what a site's dialect has no words for.

    Args:
        title: Name of the scheduler.
        submission: What is asked for.
        hints: What to do instead, by what cannot be said: ``gpus``, ``cpus``, ``memory_bytes``, ``nodes`` or ``after``.

    Raises:
        ConfigError: One line for each.
    """
    asked = {name: getattr(submission.resources, name) for name in ("gpus", "cpus", "memory_bytes")}
    asked["nodes"] = submission.resources.nodes if submission.resources.nodes > 1 else None
    asked["after"] = "success" if submission.after and submission.after.success else None
    lines = [
        f"{title} cannot be asked for {name} ({asked[name]}): {hint}" for name, hint in hints.items() if asked[name]
    ]
    if lines:
        raise ConfigError("\n".join(lines))


def refused(answer: Completed, hints: Iterable[tuple[str, str]] = ()) -> MachineError:
    """Return the error of a submission that was refused, with the first hint whose pattern the answer matches."""
    said = f"{answer.err.strip()}\n{answer.out.strip()}".strip() or "(it said nothing)"
    hint = next((f"\n{text}" for pattern, text in hints if re.search(pattern, said)), "")
    return MachineError(
        f"{shlex.join(answer.argv)}: nothing was submitted (exit status {answer.status}):\n{said}{hint}"
    )


def unreadable(answer: Completed, why: str) -> MachineError:
    """Return the error of an answer that is none."""
    said = (answer.err.strip() or answer.out.strip())[-500:]
    return MachineError(f"{shlex.join(answer.argv)[:500]}: {why} (exit status {answer.status}): {said!r}")


def check_cancellation(answer: Completed, harmless: re.Pattern[str]) -> None:
    """Accept an answer every line of which is harmless: the job is being cancelled, or gone already.

    Raises:
        MachineError: There is another line.
    """
    if answer.status == 0:
        return
    lines = [line for line in f"{answer.err}\n{answer.out}".splitlines() if line.strip()]
    if not lines or not all(harmless.search(line) for line in lines):
        raise unreadable(answer, "the jobs could not be cancelled")
