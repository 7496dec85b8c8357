"""Slurm. Text in, text out.

The queue and the accounting are both asked for ``|``-separated fields: tables cut what is long, and the JSON of
``squeue`` and ``sacct`` changes with the version. Many clusters keep no accounts; the queue shows a job for a few
minutes after its end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from nsg_cluster.core.process import Completed
from nsg_cluster.scheduler.dialect import check_cancellation, checked_path, hours, refused, unreadable
from nsg_cluster.scheduler.types import JobId, JobState, JobStatus, Source, Submission

__all__ = ["Slurm"]

SUBMITTED = re.compile(r"^(?:Submitted batch job )?(\d+)(?:;\S*)?$|^Submitted batch job (\d+)", re.MULTILINE)
HINTS = (
    (r"[Ii]nvalid account", "Set 'group' for the site, or NSG_GROUP, to an account of yours."),
    (r"invalid partition", "Set 'queue' for the site to one of its partitions (sinfo lists them)."),
    (r"time limit|TimeLimit", "Ask for less time: resources.walltime."),
    (r"[Gg]res|Requested node configuration", "No node offers that: see sinfo -o '%n %c %m %G'."),
)
HARMLESS = re.compile(r"already completing or completed|Invalid job id|Job/step already|not in queue")
# Job, number, number of the array, elements, state short and long, reason, and last the name, which may hold a |.
QUEUE_FIELDS = "%i|%A|%F|%K|%t|%T|%r|%j"
ACCOUNTING_FIELDS = "JobID,State,ExitCode,Submit,Start,JobName,Reason"
DISABLED = "accounting storage is disabled"

STATES: Mapping[str, JobState] = {
    "BOOT_FAIL": JobState.NODE_FAIL,
    "CANCELLED": JobState.CANCELLED,
    "COMPLETED": JobState.SUCCEEDED,
    "COMPLETING": JobState.COMPLETING,
    "CONFIGURING": JobState.STARTING,
    "DEADLINE": JobState.TIMEOUT,
    "EXPEDITING": JobState.QUEUED,
    "FAILED": JobState.FAILED,
    "LAUNCH_FAILED": JobState.NODE_FAIL,
    "NODE_FAIL": JobState.NODE_FAIL,
    "OUT_OF_MEMORY": JobState.OOM,
    "PENDING": JobState.QUEUED,
    "POWER_UP_NODE": JobState.STARTING,
    "PREEMPTED": JobState.PREEMPTED,
    "RECONFIG_FAIL": JobState.NODE_FAIL,
    "REQUEUED": JobState.REQUEUED,
    "REQUEUE_FED": JobState.REQUEUED,
    "REQUEUE_HOLD": JobState.HELD,
    "RESIZING": JobState.RUNNING,
    "RESV_DEL_HOLD": JobState.HELD,
    "REVOKED": JobState.CANCELLED,
    "RUNNING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "SPECIAL_EXIT": JobState.HELD,
    "STAGE_OUT": JobState.COMPLETING,
    "STOPPED": JobState.SUSPENDED,
    "SUSPENDED": JobState.SUSPENDED,
    "TIMEOUT": JobState.TIMEOUT,
}
# Why a pending job is not merely waiting for its turn.
PENDING: Mapping[str, JobState] = {
    "BadConstraints": JobState.BLOCKED,
    "Dependency": JobState.HELD,
    "DependencyNeverSatisfied": JobState.BLOCKED,
    "InvalidAccount": JobState.BLOCKED,
    "InvalidQOS": JobState.BLOCKED,
    "JobHeldAdmin": JobState.HELD,
    "JobHeldUser": JobState.HELD,
    "JobHoldMaxRequeue": JobState.HELD,
    "PartitionConfig": JobState.BLOCKED,
    "PartitionNodeLimit": JobState.BLOCKED,
    "PartitionTimeLimit": JobState.BLOCKED,
    "launch failed requeued held": JobState.HELD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slurm:
    """Slurm; partitions stand in for resource types."""

    name: ClassVar[str] = "slurm"
    title: ClassVar[str] = "Slurm"
    prefix: ClassVar[str] = "#SBATCH"
    programs: ClassVar[tuple[str, ...]] = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
    variables: ClassVar[str] = (
        "SLURM_JOB_ID SLURM_JOB_NAME SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID SLURM_CPUS_PER_TASK SLURM_JOB_NODELIST "
        "SLURM_JOB_NUM_NODES SLURM_NTASKS SLURM_RESTART_COUNT SLURM_SUBMIT_DIR SLURM_TMPDIR TMPDIR"
    )
    identity: ClassVar[tuple[str, ...]] = (
        "NSG_JOB_ID=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID} NSG_TASK=${SLURM_ARRAY_TASK_ID:-0}",
        '[ -z "${SLURM_ARRAY_JOB_ID:-}" ] || NSG_JOB_ID=${NSG_JOB_ID}_$NSG_TASK',
    )

    def directives(self, submission: Submission) -> tuple[str, ...]:
        """Return the options that stand in the script."""
        resources = submission.resources
        memory = resources.memory_bytes
        values = {
            "job-name": submission.name,
            "partition": resources.resource_type or resources.queue,
            "time": hours(resources.walltime_s) if resources.walltime_s is not None else None,
            "nodes": resources.nodes,
            "ntasks-per-node": 1,
            "cpus-per-task": resources.cpus,
            "gpus-per-node": resources.gpus or None,
            "mem": f"{-(-memory // 2**20)}M" if memory is not None else None,
            "open-mode": "append",
        }
        lines = [f"--{name}={value}" for name, value in values.items() if value is not None]
        return (*lines, "--requeue", *submission.options)

    def submit_argv(self, submission: Submission, script: str) -> list[str]:
        """Return the submit command.

        Raises:
            ConfigError: Slurm would misread the path of the sink.
        """
        # In names of files % begins a pattern; %% is one. A backslash turns patterns off and is left out.
        sink = checked_path(self.title, submission.sink, "\\").replace("%", "%%")
        argv = ["sbatch", "--parsable", f"--output={sink}/scheduler.log"]
        if submission.group is not None:
            argv.append(f"--account={submission.group}")
        if submission.is_array:
            assert submission.elements is not None
            limit = f"%{submission.max_parallel}" if submission.max_parallel else ""
            argv.append(f"--array=0-{submission.elements - 1}{limit}")
        if submission.after:
            kind = "afterok" if submission.after.success else "afterany"
            argv.append(f"--dependency={kind}:{':'.join(str(job.job) for job in submission.after.jobs)}")
        return [*argv, script]

    def parse_submission(self, answer: Completed) -> JobId:
        """Return the job that was submitted.

        Raises:
            MachineError: None was.
        """
        found = SUBMITTED.search(answer.out)
        if not found:
            raise refused(answer, HINTS)
        return JobId(found[1] or found[2])

    def queue_argvs(self, jobs: Sequence[JobId], user: str) -> list[list[str]]:  # noqa: ARG002 - it lists all of a user
        """Return the command that lists a user's jobs, each element on a line of its own, ended ones too."""
        # Asked for jobs by their numbers, it fails when the only one is gone.
        return [["squeue", "--noheader", "--array", "--states=all", f"--user={user}", f"--format={QUEUE_FIELDS}"]]

    def parse_queue(self, answer: Completed) -> list[JobStatus]:
        """Return the jobs and elements in the queue.

        Raises:
            MachineError: It is not an answer.
        """
        if answer.status != 0:
            raise unreadable(answer, "the queue could not be read")
        found = []
        for line in answer.out.splitlines():
            fields = line.split("|", 7)
            if len(fields) < 8:
                raise unreadable(answer, f"the queue has the line {line!r}")
            _, _, number, elements, _, raw, reason, name = fields
            for index in _elements(elements):
                found.append(_status(JobId(number, index), raw, reason, source=Source.QUEUE, name=name))
        return found

    def accounting_argv(self, jobs: Sequence[JobId], user: str, since: float) -> list[str]:  # noqa: ARG002
        """Return the command that lists jobs in the accounts: every record of a number, as numbers are used again."""
        start = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since))
        numbers = ",".join(sorted({job.number for job in jobs}))
        argv = ["sacct", "--parsable2", "--allocations", "--duplicates", f"--starttime={start}", f"--jobs={numbers}"]
        return [*argv, f"--format={ACCOUNTING_FIELDS}"]

    def parse_accounting(self, answer: Completed) -> list[JobStatus]:
        """Return the jobs in the accounts: of several records of a job the newest; nothing where none are kept.

        Raises:
            MachineError: It is not an answer.
        """
        if DISABLED in answer.err + answer.out:
            return []
        header, *lines = answer.out.splitlines() or [""]
        names = header.split("|")
        if answer.status != 0 or not {"JobID", "State", "ExitCode"} <= set(names):
            raise unreadable(answer, "the accounts could not be read")
        newest: dict[JobId, tuple[str, JobStatus]] = {}
        for line in lines:
            record = dict(zip(names, line.split("|", len(names) - 1), strict=False))
            for status in _accounted(record):
                when = _moment(record)
                if status.id not in newest or when >= newest[status.id][0]:
                    newest[status.id] = (when, status)
        return [status for _, status in newest.values()]

    def reasons_argv(self, jobs: Sequence[JobId]) -> list[str] | None:  # noqa: ARG002
        """Return nothing: the queue says why."""
        return None

    def parse_reasons(self, answer: Completed) -> dict[str, str]:  # noqa: ARG002
        """Return nothing."""
        return {}

    def cancel_argv(self, jobs: Sequence[JobId]) -> list[str]:
        """Return the command that cancels jobs and elements."""
        return ["scancel", *map(str, jobs)]

    def check_cancellation(self, answer: Completed) -> None:
        """Accept that jobs are gone already.

        Raises:
            MachineError: Something else went wrong.
        """
        check_cancellation(answer, HARMLESS)

    def find_argv(self, name: str, user: str) -> list[str]:
        """Return the command that finds jobs by their name."""
        argv = ["squeue", "--noheader", "--states=all", f"--user={user}", f"--name={name}"]
        return [*argv, f"--format={QUEUE_FIELDS}"]

    def offers_argv(self) -> list[str]:
        """Return the command that lists partitions."""
        return ["sinfo", "--noheader", "--format=%R"]

    def parse_offers(self, answer: Completed) -> set[str]:
        """Return their names.

        Raises:
            MachineError: It is not an answer.
        """
        if answer.status != 0:
            raise unreadable(answer, "what there is could not be listed")
        return set(answer.out.split())

    def find_ended_argv(self, name: str, user: str, since: float) -> list[str] | None:
        """Return the command that finds ended jobs by their name."""
        start = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since))
        argv = ["sacct", "--parsable2", "--allocations", "--duplicates", f"--user={user}", f"--starttime={start}"]
        return [*argv, f"--name={name}", f"--format={ACCOUNTING_FIELDS}"]

    def parse_find(self, answer: Completed, name: str) -> list[JobId]:
        """Return the jobs in the queue that bear a name.

        Raises:
            MachineError: It is not an answer.
        """
        return list(dict.fromkeys(status.id.job for status in self.parse_queue(answer) if status.name == name))


def _elements(text: str) -> Iterator[int | None]:
    """Return the elements of ``0-1,3%2``; one ``None`` for a plain job, which says ``N/A``."""
    if text in {"N/A", ""}:
        yield None
        return
    for part in text.partition("%")[0].split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?(?::(\d+))?", part, re.ASCII)
        if match:  # a list that is too long is cut and ends in ...
            first, last, step = (int(number) if number else None for number in match.groups())
            assert first is not None
            yield from range(first, (first if last is None else last) + 1, step or 1)


def _accounted(record: Mapping[str, str]) -> Iterator[JobStatus]:
    """Return the status of a job or of each element that a record speaks of; steps and parts of jobs are left out."""
    match = re.fullmatch(r"(\d+)(?:_(?:(\d+)|\[([^\]]*)\]))?", record.get("JobID", ""), re.ASCII)
    if not match:
        return
    number, index, elements = match.groups()
    raw, reason = record["State"], record.get("Reason", "")
    for element in _elements(elements or index or ""):
        job = JobId(number, element)
        yield _status(
            job, raw, reason, source=Source.ACCOUNTING, exit_code=record["ExitCode"], name=record.get("JobName", "")
        )


def _moment(record: Mapping[str, str]) -> str:
    """Return when a record began, as far as it says: times are written so that they sort as text."""
    times = (record.get(name, "") for name in ("Submit", "Start"))
    return max((text for text in times if text[:1].isdigit()), default="")


def _status(
    job: JobId, raw: str, reason: str, *, source: Source, exit_code: str | None = None, name: str = ""
) -> JobStatus:
    word = raw.split(" ", 1)[0].rstrip("+")
    state = STATES.get(word, JobState.UNKNOWN)
    reason = "" if reason in {"None", "N/A"} else reason
    if state is JobState.QUEUED:
        state = PENDING.get(reason, state)
    elif state is JobState.CANCELLED and reason == "DependencyNeverSatisfied":
        state = JobState.BLOCKED
    match = re.fullmatch(r"(\d+):(\d+)", exit_code or "")
    status, signal = (int(match[1]), int(match[2])) if match else (0, 0)
    has_ended = match is not None and state in {JobState.SUCCEEDED, JobState.FAILED, JobState.OOM}
    return JobStatus(
        id=job,
        state=state,
        raw=raw,
        source=source,
        reason=reason,
        exit_status=status if has_ended and not signal else None,
        signal=signal or None,
        name=name,
    )
