"""One conversation with a scheduler: submit, look, cancel, find. The programs are started here, the text is theirs."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nsg_cluster.core.errors import MachineError, RunError
from nsg_cluster.core.logs import printable
from nsg_cluster.core.process import Completed, run
from nsg_cluster.core.user import user_name
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.gridengine import GridEngine
from nsg_cluster.scheduler.pbs import Pbs
from nsg_cluster.scheduler.slurm import Slurm
from nsg_cluster.scheduler.types import JobId, JobState, JobStatus, Submission

__all__ = ["Answer", "Client", "dialect_by_name"]

SUBMIT_TIMEOUT_S = 300.0
QUERY_TIMEOUT_S = 60.0
# Records are made in the scheduler's time, which may differ from ours.
CLOCK_SLACK_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a scheduler said about jobs."""

    known: dict[JobId, JobStatus] = field(default_factory=dict)
    absent: frozenset[JobId] = frozenset()
    """Jobs of which it has said that it knows nothing."""
    complaint: str = ""
    """Why nothing can be said of jobs that are neither: the queue has answered, the accounting has not."""


class Client:
    """Asks a scheduler.

    Args:
        dialect: How to speak to it.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def submit(self, submission: Submission, script: Path) -> JobId:
        """Submit a script and return its job.

        Raises:
            ConfigError: The scheduler cannot express something that is asked for.
            MachineError: It was refused.
        """
        answer = run(self.dialect.submit_argv(submission, str(script)), timeout_s=SUBMIT_TIMEOUT_S)
        return self.dialect.parse_submission(answer)

    def status(self, jobs: Collection[JobId], *, since: float) -> Answer:
        """Return what is known of plain jobs and elements, with two calls or three however many they are.

        What the queue says of a job comes before what the accounting says: a record may be that of an earlier attempt.

        Args:
            jobs: Plain jobs and elements of arrays.
            since: When the first of them was submitted, in unix seconds.

        Raises:
            MachineError: The scheduler did not answer; nothing is known.
        """
        wanted = set(jobs)
        if not wanted:
            return Answer()
        found = {status.id: status for status in self._queue(list(jobs)) if status.id in wanted}
        unsettled = [job for job in jobs if job not in found or _lacks_its_end(found[job])]
        argv = self.dialect.accounting_argv(unsettled, user_name(), since - CLOCK_SLACK_S) if unsettled else None
        complaint = ""
        try:
            ended = self.dialect.parse_accounting(_ask(argv)) if argv else []
        except MachineError as error:
            ended, complaint = [], str(error)
        records = {status.id: status for status in ended if status.id in unsettled}
        found |= {job: status for job, status in records.items() if job not in found or status.state.is_over}
        found |= self._with_reasons([status for status in found.values() if status.state is JobState.BLOCKED])
        absent = frozenset() if complaint else frozenset(wanted - found.keys())
        return Answer(known=found, absent=absent, complaint=complaint)

    def _queue(self, jobs: Sequence[JobId]) -> list[JobStatus]:
        *first, last = self.dialect.queue_argvs(jobs, user_name())
        for argv in first:
            try:
                return self.dialect.parse_queue(_ask(argv))
            except MachineError:
                continue
        return self.dialect.parse_queue(_ask(last))

    def _with_reasons(self, blocked: Sequence[JobStatus]) -> dict[JobId, JobStatus]:
        argv = self.dialect.reasons_argv([status.id for status in blocked]) if blocked else None
        reasons = self.dialect.parse_reasons(_ask(argv)) if argv else {}
        return {
            status.id: replace(status, reason=reasons[status.id.number])
            for status in blocked
            if status.id.number in reasons
        }

    def cancel(self, jobs: Collection[JobId]) -> None:
        """Cancel jobs, arrays and elements; those that are gone already are no mistake.

        Raises:
            MachineError: The scheduler refused or did not answer.
        """
        if jobs:
            self.dialect.check_cancellation(_ask(self.dialect.cancel_argv(list(jobs))))

    def find(self, name: str, *, since: float | None = None) -> list[JobId]:
        """Return this user's jobs that bear a name, arrays as a whole.

        Args:
            name: The name.
            since: When they were submitted at the earliest; then those that have left the queue are found as well.

        Raises:
            MachineError: The scheduler did not answer.
        """
        found = self.dialect.parse_find(_ask(self.dialect.find_argv(name, user_name())), name)
        if found or since is None:
            return found
        argv = self.dialect.find_ended_argv(name, user_name(), since - CLOCK_SLACK_S)
        ended = self.dialect.parse_accounting(_ask(argv)) if argv else []
        return list(dict.fromkeys(status.id.job for status in ended if status.name == name))


def dialect_by_name(name: str) -> Dialect:
    """Return how to ask a kind of scheduler; what a site has settled matters for submissions only.

    Raises:
        RunError: There is no such kind.
    """
    kinds: dict[str, type[Dialect]] = {kind.name: kind for kind in (GridEngine, Pbs, Slurm)}
    if name not in kinds:
        raise RunError(f"'{printable(name)}' is no scheduler; known: {', '.join(kinds)}")
    return kinds[name]()


def _lacks_its_end(status: JobStatus) -> bool:
    """Return whether a job has run to an end of which the queue does not tell the exit status."""
    has_run = status.state.is_over and status.state not in {JobState.BLOCKED, JobState.CANCELLED}
    return has_run and status.exit_status is None and status.signal is None


def _ask(argv: Sequence[str]) -> Completed:
    # Messages and dates in another language could not be understood.
    return run(argv, timeout_s=QUERY_TIMEOUT_S, env={**os.environ, "LC_ALL": "C"})
