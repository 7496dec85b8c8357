"""Grid Engine: Altair's (ABCI 2.0, TSUBAME4) and the open ones. Text in, text out.

It counts the elements of an array from 1; `JobId` counts from 0. Sites ask for their own pieces of a node
(``-l rt_G.small=1``); a site without them names a parallel environment and consumable resources.
"""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from nsg_cluster.core.process import Completed
from nsg_cluster.scheduler.dialect import check_cancellation, checked_path, hours, not_expressible, refused, unreadable
from nsg_cluster.scheduler.types import JobId, JobState, JobStatus, Source, Submission

__all__ = ["GridEngine"]

SUBMITTED = re.compile(r"Your job(?:-array)? (\d+)(?:\.\S+)? \(|^(\d+)(?:\.\d+-\d+:\d+)?$", re.MULTILINE)
HINTS = (
    (r'invalid option argument "-g"', "This Grid Engine has no -g: set 'group_flag: -P' for the site."),
    (r"project .* does not exist", "Set 'group' for the site, or NSG_GROUP, to a group of yours."),
    (r"not a submit host", "Submit from a login node."),
    (r"SIM4403", "The group has too few points left."),
    (r"SIM4702|over limitation", "More than the site's limits allow: see 'limits' of the site."),
)
HARMLESS = re.compile(r"has (deleted|registered) |does not exist|registered the job|already in deletion|forced the")
NOT_FOUND = re.compile(r"not found|no jobs running since startup|No such file or directory")

# Letters of a state, the telling ones first; those that say nothing of their own stand below.
LETTERS: tuple[tuple[str, JobState], ...] = (
    ("E", JobState.BLOCKED),
    ("d", JobState.COMPLETING),
    ("s", JobState.SUSPENDED),
    ("S", JobState.SUSPENDED),
    ("T", JobState.SUSPENDED),
    ("N", JobState.SUSPENDED),
    ("P", JobState.SUSPENDED),
    ("r", JobState.RUNNING),
    ("t", JobState.STARTING),
    ("h", JobState.HELD),
    ("R", JobState.REQUEUED),
    ("q", JobState.QUEUED),
    ("w", JobState.QUEUED),
    ("z", JobState.COMPLETING),
)
# Numbers of `failed` in an accounting record, from sge_status(5).
RESCHEDULED = frozenset({24, 25})
LIMIT = 37
AFTER_JOB = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GridEngine:
    """Grid Engine as a site has set it up."""

    group_flag: Literal["-g", "-P"] = "-P"
    """Option that names the group; ``-g`` is a wrapper of the site and works on the command line only."""
    parallel_environment: str | None = None
    """Parallel environment whose slots are the CPUs of one node."""
    gpu_resource: str | None = None
    """Consumable that counts GPUs."""
    memory_resource: str | None = None
    """Consumable that counts memory."""

    name: ClassVar[str] = "gridengine"
    title: ClassVar[str] = "Grid Engine"
    prefix: ClassVar[str] = "#$"
    programs: ClassVar[tuple[str, ...]] = ("qsub", "qstat", "qdel", "qacct", "qconf")
    variables: ClassVar[str] = (
        "JOB_ID JOB_NAME SGE_TASK_ID SGE_TASK_FIRST SGE_TASK_LAST SGE_TASK_STEPSIZE SGE_LOCALDIR SGE_JOB_HOSTLIST "
        "SGE_O_WORKDIR SGE_O_HOME SGE_O_HOST SGE_O_PATH NHOSTS NSLOTS RESTARTED TMPDIR PE_HOSTFILE QUEUE"
    )
    identity: ClassVar[tuple[str, ...]] = (
        "NSG_JOB_ID=$JOB_ID NSG_TASK=0",
        'if [ "${SGE_TASK_ID:-undefined}" != undefined ]; then',
        "  NSG_TASK=$((SGE_TASK_ID - 1)) NSG_JOB_ID=${JOB_ID}_$((SGE_TASK_ID - 1))",
        "fi",
    )

    def directives(self, submission: Submission) -> tuple[str, ...]:
        """Return the options that stand in the script.

        Raises:
            ConfigError: Grid Engine cannot express something that is asked for.
        """
        resources = submission.resources
        hints = {"after": "its -hold_jid starts a job after the end of others, however they ended"}
        if resources.resource_type is None:
            hints["nodes"] = "name one of the site's resource types"
            hints |= {} if self.gpu_resource else {"gpus": "the site has no gpu_resource"}
            hints |= {} if self.parallel_environment else {"cpus": "the site has no parallel_environment"}
            hints |= {} if self.memory_resource else {"memory_bytes": "the site has no memory_resource"}
        not_expressible(self.title, submission, hints)
        lines = [f"-N {submission.name}", "-S /bin/bash", "-j y", "-r y"]
        lines += [f"-l {name}={amount}" for name, amount in self._amounts(submission)]
        if resources.cpus is not None:
            lines.append(f"-pe {self.parallel_environment} {resources.cpus}")
        if resources.queue is not None:
            lines.append(f"-q {resources.queue}")
        return (*lines, *submission.options)

    def _amounts(self, submission: Submission) -> Iterator[tuple[str, int | str]]:
        resources = submission.resources
        if resources.resource_type is not None:
            yield resources.resource_type, resources.nodes
        if resources.gpus and self.gpu_resource:
            yield self.gpu_resource, resources.gpus
        if resources.memory_bytes is not None and self.memory_resource:
            yield self.memory_resource, f"{-(-resources.memory_bytes // 2**20)}M"
        if resources.walltime_s is not None:
            yield "h_rt", hours(resources.walltime_s)

    def submit_argv(self, submission: Submission, script: str) -> list[str]:
        """Return the submit command.

        Raises:
            ConfigError: Grid Engine would misread the path of the sink.
        """
        sink = checked_path(self.title, submission.sink, "$,\n")
        # The colon ends the (empty) host, so that a path with a colon stays whole.
        argv = ["qsub", "-terse", "-o", f":{sink}/scheduler.log"]
        if submission.group is not None:
            argv += [self.group_flag, submission.group]
        if submission.is_array:
            argv += ["-t", f"1-{submission.elements}"]
            argv += ["-tc", str(submission.max_parallel)] if submission.max_parallel else []
        if submission.after:
            argv += ["-hold_jid", ",".join(str(job.job) for job in submission.after.jobs)]
        return [*argv, script]

    def parse_submission(self, answer: Completed) -> JobId:
        """Return the job that was submitted, also where a warning made qsub fail.

        Raises:
            MachineError: None was.
        """
        found = SUBMITTED.search(f"{answer.out}\n{answer.err}")
        if not found:
            raise refused(answer, HINTS)
        return JobId(found[1] or found[2])

    def queue_argvs(self, jobs: Sequence[JobId], user: str) -> list[list[str]]:  # noqa: ARG002 - it lists all of a user
        """Return the command that lists a user's jobs."""
        return [["qstat", "-xml", "-u", user]]

    def parse_queue(self, answer: Completed) -> list[JobStatus]:
        """Return the jobs and elements in the queue.

        Raises:
            MachineError: It is not an answer.
        """
        if answer.status != 0:
            raise unreadable(answer, "the queue could not be read")
        try:
            root = ET.fromstring(answer.out)  # noqa: S314 - written by the scheduler's own program
            return [status for entry in root.iter() if _local(entry) == "job_list" for status in _queued(entry)]
        except (ET.ParseError, KeyError, ValueError) as error:
            raise unreadable(answer, f"the queue cannot be understood ({error!r})") from None

    def accounting_argv(self, jobs: Sequence[JobId], user: str, since: float) -> list[str]:
        """Return the command that lists ended jobs: one pass over the accounting file, however many they are."""
        numbers = {job.number for job in jobs}
        if len(numbers) == 1:
            return ["qacct", "-j", *numbers]
        return ["qacct", "-o", user, "-b", time.strftime("%Y%m%d%H%M", time.localtime(since)), "-j"]

    def parse_accounting(self, answer: Completed) -> list[JobStatus]:
        """Return the ended jobs: of several records of a job the last counts.

        Raises:
            MachineError: It is not an answer.
        """
        if answer.status != 0 and not NOT_FOUND.search(answer.err + answer.out):
            raise unreadable(answer, "the accounting could not be read")
        return list({status.id: status for status in map(_ended, _records(answer.out)) if status}.values())

    def reasons_argv(self, jobs: Sequence[JobId]) -> list[str] | None:
        """Return the command that says why jobs are blocked."""
        return ["qstat", "-j", ",".join(dict.fromkeys(job.number for job in jobs))]

    def parse_reasons(self, answer: Completed) -> dict[str, str]:
        """Return the reasons by number of the job."""
        found = {}
        for block in re.split(r"^job_number:\s*", answer.out, flags=re.MULTILINE)[1:]:
            if reason := re.search(r"^error reason.*?\[\d+:\d+\]:\s*(.*)$", block, flags=re.MULTILINE):
                found[block.split(None, 1)[0]] = reason[1]
        return found

    def cancel_argv(self, jobs: Sequence[JobId]) -> list[str]:
        """Return the command that cancels jobs and elements."""
        return ["qdel", *(job.number if job.index is None else f"{job.number}.{job.index + 1}" for job in jobs)]

    def check_cancellation(self, answer: Completed) -> None:
        """Accept that jobs are gone already.

        Raises:
            MachineError: Something else went wrong.
        """
        check_cancellation(answer, HARMLESS)

    def find_argv(self, name: str, user: str) -> list[str]:  # noqa: ARG002 - it cannot be asked for a name
        """Return the command that finds jobs by their name."""
        return ["qstat", "-xml", "-u", user]

    def offers_argv(self) -> list[str]:
        """Return the command that lists resources and their shortcuts."""
        return ["qconf", "-sc"]

    def parse_offers(self, answer: Completed) -> set[str]:
        """Return their names.

        Raises:
            MachineError: It is not an answer.
        """
        if answer.status != 0:
            raise unreadable(answer, "what there is could not be listed")
        return {word for line in answer.out.splitlines() for word in line.split()[:2] if not line.startswith("#")}

    def find_ended_argv(self, name: str, user: str, since: float) -> list[str] | None:  # noqa: ARG002
        """Return the command that finds ended jobs by their name."""
        return ["qacct", "-o", user, "-j", name]

    def parse_find(self, answer: Completed, name: str) -> list[JobId]:
        """Return the jobs in the queue that bear a name.

        Raises:
            MachineError: It is not an answer.
        """
        return list(dict.fromkeys(status.id.job for status in self.parse_queue(answer) if status.name == name))


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _queued(entry: ET.Element) -> Iterator[JobStatus]:
    """Return the status of a job, or of each element that an entry speaks of."""
    texts = {_local(child): (child.text or "").strip() for child in entry}
    raw = texts.get("state", "")
    for index in _elements(texts.get("tasks", "")):
        yield JobStatus(
            id=JobId(texts["JB_job_number"], index),
            state=_state(raw),
            raw=raw,
            source=Source.QUEUE,
            name=texts.get("JB_name", texts.get("JB_job_name", "")),
        )


def _elements(text: str) -> Iterator[int | None]:
    """Return the elements of ``1-3:1,7``, counted from 0; one ``None`` for a plain job."""
    if not text:
        yield None
        return
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+):(\d+))?", part, re.ASCII)
        if not match:
            raise ValueError(f"{part!r} is no range of tasks")
        first, last, step = (int(number or 0) for number in match.groups())
        yield from range(first - 1, last or first, step or 1)


def _state(letters: str) -> JobState:
    known = {letter for letter, _ in LETTERS}
    if not letters or not known.issuperset(letters):
        return JobState.UNKNOWN
    return next(state for letter, state in LETTERS if letter in letters)


def _records(text: str) -> Iterator[Mapping[str, str]]:
    """Return the records of ``qacct -j``: lines of a key and a value, between lines of ``=``."""
    for block in re.split(r"^=+\s*$", text, flags=re.MULTILINE):
        pairs = (line.split(None, 1) for line in block.splitlines() if line.strip())
        record = {pair[0]: pair[1].strip() if len(pair) > 1 else "" for pair in pairs}
        if "jobnumber" in record:
            yield record


def _ended(record: Mapping[str, str]) -> JobStatus | None:
    """Return the status of an ended job; ``None`` where its record is cut off."""
    failed, status = _number(record.get("failed")), _number(record.get("exit_status"))
    if failed is None or status is None:
        return None
    task = record.get("taskid", "undefined")
    state, signal = _outcome(failed, status, deleted=record.get("deleted_by", "NONE") != "NONE")
    return JobStatus(
        id=JobId(record["jobnumber"], int(task) - 1 if task.isdecimal() else None),
        state=state,
        raw=f"failed {record['failed']}, exit_status {record['exit_status']}",
        source=Source.ACCOUNTING,
        reason=record["failed"].partition(":")[2].strip(),
        exit_status=status if signal is None else None,
        signal=signal,
        name=record.get("jobname", ""),
    )


def _number(text: str | None) -> int | None:
    """Return the number that a value such as ``137   (Killed)`` begins with."""
    match = re.match(r"\d+", text or "")
    return int(match[0]) if match else None


def _outcome(failed: int, status: int, *, deleted: bool) -> tuple[JobState, int | None]:
    """Return the state and the signal of an accounting record."""
    signal = status - 128 if failed in {AFTER_JOB, LIMIT} and status > 128 else None
    if failed in RESCHEDULED:
        return JobState.REQUEUED, None
    if failed == LIMIT:
        return JobState.TIMEOUT, signal
    if deleted:
        return JobState.CANCELLED, signal
    if failed == 0 and status == 0:
        return JobState.SUCCEEDED, None
    return JobState.FAILED, signal
