"""One conversation with a scheduler: submit, look, cancel, find. The programs are started here, the text is theirs."""

from __future__ import annotations

import getpass
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.process import Completed, run
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.types import JobId, JobStatus, Submission

__all__ = ["Client"]

SUBMIT_TIMEOUT_S = 300.0
QUERY_TIMEOUT_S = 60.0
# Records are made in the scheduler's time, which may differ from ours.
CLOCK_SLACK_S = 300.0


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

    def status(self, jobs: Collection[JobId], *, since: float) -> dict[JobId, JobStatus]:
        """Return what is known of plain jobs and elements, with one or two calls however many they are.

        What the queue says of a job comes before what the accounting says: a record may be that of an earlier attempt.
        A job that neither knows is not in the result.

        Args:
            jobs: Plain jobs and elements of arrays.
            since: When the first of them was submitted, in unix seconds.

        Raises:
            MachineError: The scheduler did not answer; nothing is known.
        """
        wanted = set(jobs)
        if not wanted:
            return {}
        found = {status.id: status for status in self._queue(list(jobs)) if status.id in wanted}
        missing = [job for job in jobs if job not in found]
        argv = self.dialect.accounting_argv(missing, _user(), since - CLOCK_SLACK_S) if missing else None
        if argv:
            ended = self.dialect.parse_accounting(_ask(argv))
            found.update({status.id: status for status in ended if status.id in wanted - found.keys()})
        return found

    def _queue(self, jobs: Sequence[JobId]) -> list[JobStatus]:
        *first, last = self.dialect.queue_argvs(jobs, _user())
        for argv in first:
            try:
                return self.dialect.parse_queue(_ask(argv))
            except MachineError:
                continue
        return self.dialect.parse_queue(_ask(last))

    def cancel(self, jobs: Collection[JobId]) -> None:
        """Cancel jobs, arrays and elements; those that are gone already are no mistake.

        Raises:
            MachineError: The scheduler refused or did not answer.
        """
        if jobs:
            self.dialect.check_cancellation(_ask(self.dialect.cancel_argv(list(jobs))))

    def find(self, name: str) -> list[JobId]:
        """Return this user's jobs that bear a name, arrays as a whole.

        Raises:
            MachineError: The scheduler did not answer.
        """
        return self.dialect.parse_find(_ask(self.dialect.find_argv(name, _user())), name)


def _ask(argv: Sequence[str]) -> Completed:
    # Messages and dates in another language could not be understood.
    return run(argv, timeout_s=QUERY_TIMEOUT_S, env={**os.environ, "LC_ALL": "C"})


def _user() -> str:
    return getpass.getuser()
