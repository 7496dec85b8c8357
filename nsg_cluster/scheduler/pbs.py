"""PBS Professional and OpenPBS (ABCI 3.0 and its like). Text in, text out.

Numbers carry the server's name (``15.pbs1``), arrays brackets (``15[].pbs1``, ``15[3].pbs1``). Sites sell pieces of a
node as queues (``-q rt_HG -l select=1``); a site without them is asked for amounts (``-l select=1:ncpus=8:ngpus=1``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nsg_cluster.core.process import Completed
from nsg_cluster.scheduler.dialect import check_cancellation, checked_path, hours, refused, unreadable
from nsg_cluster.scheduler.types import JobId, JobState, JobStatus, Resources, Source, Submission

__all__ = ["CONTINUES", "Pbs"]

# Set in a job that goes on with an earlier one: which it stands for.
CONTINUES = "NSG_CONTINUES"

ID = re.compile(r"(\d+)(?:\[(\d*)\])?(?:\.(\S+))?", re.ASCII)
HINTS = (
    (r"[Uu]nknown queue", "The site has no such queue: see 'resource_types' and 'queue' of the site."),
    (r"illegal -J value", "PBS takes arrays of 2 elements and more, up to its max_array_size."),
    (r"illegal -W value|max_run_subjobs", "This PBS cannot limit the elements that run at the same time."),
    (r"[Pp]roject|not authorized to use", "Set 'group' for the site, or NSG_GROUP, to a group of yours."),
    (r"exceed|limit", "More than the site's limits allow: see 'limits' of the site."),
)
HARMLESS = re.compile(r"Unknown Job Id|Job has finished|Job has been deleted")
# Exit statuses of qstat that come with an answer: some of the jobs have ended (35), or are unknown (153).
ANSWERED = frozenset({0, 35, 153})

STATES: Mapping[str, JobState] = {
    "B": JobState.RUNNING,
    "E": JobState.COMPLETING,
    "H": JobState.HELD,
    "M": JobState.QUEUED,
    "Q": JobState.QUEUED,
    "R": JobState.RUNNING,
    "S": JobState.SUSPENDED,
    "T": JobState.QUEUED,
    "U": JobState.SUSPENDED,
    "W": JobState.HELD,
}
EXPIRED, ENDED = "X", "F"
PRERUN, TERMINATED, FAILED = 41, 91, 93
# Negative exit statuses, from PBS's own header (job.h): a limit that killed the job, or a node that could not start it.
KILLED: Mapping[int, JobState] = {
    -29: JobState.TIMEOUT,
    -28: JobState.TIMEOUT,
    -27: JobState.OOM,
    -26: JobState.OOM,
    -6: JobState.NODE_FAIL,
    -5: JobState.NODE_FAIL,
    -4: JobState.NODE_FAIL,
}
# Added to the number of the signal that ended a job.
SIGNALED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Pbs:
    """PBS as a site has set it up."""

    name: ClassVar[str] = "pbs"
    title: ClassVar[str] = "PBS"
    prefix: ClassVar[str] = "#PBS"
    programs: ClassVar[tuple[str, ...]] = ("qsub", "qstat", "qdel", "qselect")
    variables: ClassVar[str] = (
        "PBS_JOBID PBS_JOBNAME PBS_ARRAY_ID PBS_ARRAY_INDEX PBS_ENVIRONMENT PBS_JOBDIR PBS_LOCALDIR PBS_NODEFILE "
        "PBS_NODENUM PBS_O_HOME PBS_O_HOST PBS_O_PATH PBS_O_QUEUE PBS_O_WORKDIR PBS_QUEUE NCPUS TMPDIR"
    )
    identity: ClassVar[tuple[str, ...]] = (
        "NSG_JOB_ID=${PBS_JOBID%%[.[]*} NSG_TASK=${PBS_ARRAY_INDEX:-0}",
        '[ -z "${PBS_ARRAY_INDEX:-}" ] || NSG_JOB_ID=${NSG_JOB_ID}_$NSG_TASK',
        f'if [ -n "${{{CONTINUES}:-}}" ]; then',
        f"  NSG_JOB_ID=${CONTINUES} NSG_TASK=0",
        '  [ "${NSG_JOB_ID%_*}" = "$NSG_JOB_ID" ] || NSG_TASK=${NSG_JOB_ID#*_}',
        "fi",
    )

    def directives(self, submission: Submission) -> tuple[str, ...]:
        """Return the options that stand in the script."""
        resources = submission.resources
        lines = [f"-N {submission.name}", "-j oe", "-r y"]
        if queue := resources.resource_type or resources.queue:
            lines.append(f"-q {queue}")
        lines.append(f"-l select={_select(resources)}")
        if resources.walltime_s is not None:
            lines.append(f"-l walltime={hours(resources.walltime_s)}")
        return (*lines, *submission.options)

    def submit_argv(self, submission: Submission, script: str) -> list[str]:
        """Return the submit command.

        Raises:
            ConfigError: PBS would misread the path of the sink.
        """
        # A folder: PBS names a file in it after the job or element, which writes there when it ends.
        sink = checked_path(self.title, submission.sink, ":,\n")
        argv = ["qsub", "-o", f"{sink}/"]
        if submission.group is not None:
            argv += ["-P", submission.group]
        if submission.is_array:
            assert submission.elements is not None
            argv += ["-J", f"0-{submission.elements - 1}"]
            # Older versions do not know the short form -J 0-9%2.
            argv += ["-W", f"max_run_subjobs={submission.max_parallel}"] if submission.max_parallel else []
        if submission.after:
            kind = "afterok" if submission.after.success else "afterany"
            argv += ["-W", f"depend={kind}:{':'.join(_native(job.job) for job in submission.after.jobs)}"]
        return [*argv, script]

    def parse_submission(self, answer: Completed) -> JobId:
        """Return the job that was submitted.

        Raises:
            MachineError: None was.
        """
        for line in answer.out.splitlines():
            if (match := ID.fullmatch(line.strip())) and match[3]:
                return _parsed(line.strip())
        raise refused(answer, HINTS)

    def queue_argvs(self, jobs: Sequence[JobId], user: str) -> list[list[str]]:  # noqa: ARG002 - it is asked for jobs
        """Return the commands that list jobs with their elements, ended ones too: as JSON, or as text.

        JSON is broken on some servers by what stands in a job's environment.
        """
        names = list(dict.fromkeys(_native(job.job) for job in jobs))
        return [["qstat", "-x", "-t", "-f", *form, *names] for form in (["-F", "json"], [])]

    def parse_queue(self, answer: Completed) -> list[JobStatus]:
        """Return the jobs and elements, waiting, running or ended.

        Raises:
            MachineError: It is not an answer.
        """
        if answer.status not in ANSWERED:
            raise unreadable(answer, "the queue could not be read")
        try:
            found = _json_jobs(answer.out) if answer.out.lstrip().startswith("{") else dict(_text_jobs(answer.out))
            jobs = {_parsed(name): job for name, job in found.items()}
            return [_status(job_id, job, jobs.get(job_id.job, {})) for job_id, job in jobs.items()]
        except (ValueError, TypeError, AttributeError) as error:
            raise unreadable(answer, f"the queue cannot be understood ({error})") from None

    def accounting_argv(self, jobs: Sequence[JobId], user: str, since: float) -> list[str] | None:  # noqa: ARG002
        """Return nothing: the queue shows ended jobs for as long as the server remembers them."""
        return None

    def parse_accounting(self, answer: Completed) -> list[JobStatus]:
        """Return what is said of ended jobs.

        Raises:
            MachineError: It is not an answer.
        """
        return [status for status in self.parse_queue(answer) if status.state.is_over]

    def reasons_argv(self, jobs: Sequence[JobId]) -> list[str] | None:  # noqa: ARG002
        """Return nothing: the queue says why."""
        return None

    def parse_reasons(self, answer: Completed) -> dict[str, str]:  # noqa: ARG002
        """Return nothing."""
        return {}

    def cancel_argv(self, jobs: Sequence[JobId]) -> list[str]:
        """Return the command that cancels jobs and elements."""
        return ["qdel", *map(_native, jobs)]

    def check_cancellation(self, answer: Completed) -> None:
        """Accept that jobs are gone already.

        Raises:
            MachineError: Something else went wrong.
        """
        check_cancellation(answer, HARMLESS)

    def find_argv(self, name: str, user: str) -> list[str]:
        """Return the command that finds jobs by their name, ended ones too."""
        return ["qselect", "-x", "-u", user, "-N", name]

    def offers_argv(self) -> list[str]:
        """Return the command that lists queues."""
        return ["qstat", "-Q", "-f"]

    def parse_offers(self, answer: Completed) -> set[str]:
        """Return their names.

        Raises:
            MachineError: It is not an answer.
        """
        if answer.status != 0:
            raise unreadable(answer, "what there is could not be listed")
        return set(re.findall(r"^Queue: (\S+)", answer.out, flags=re.MULTILINE))

    def find_ended_argv(self, name: str, user: str, since: float) -> list[str] | None:  # noqa: ARG002
        """Return nothing: the first command finds ended jobs as well."""
        return None

    def parse_find(self, answer: Completed, name: str) -> list[JobId]:  # noqa: ARG002 - only those were asked for
        """Return the jobs that bear a name.

        Raises:
            MachineError: It is not an answer.
        """
        if answer.status != 0:
            raise unreadable(answer, "the jobs could not be listed")
        return list(dict.fromkeys(_parsed(line.strip()).job for line in answer.out.splitlines() if line.strip()))


def _select(resources: Resources) -> str:
    amounts = {"ncpus": resources.cpus, "ngpus": resources.gpus or None}
    chunk = [f"{name}={amount}" for name, amount in amounts.items() if amount is not None]
    if resources.memory_bytes is not None:
        chunk.append(f"mem={-(-resources.memory_bytes // 2**20)}mb")
    return ":".join([str(resources.nodes), *chunk])


def _native(job: JobId) -> str:
    """Return what PBS calls a job or an element."""
    index = "" if job.index is None else str(job.index)
    brackets = f"[{index}]" if index or job.is_array else ""
    return f"{job.number}{brackets}" + (f".{job.server}" if job.server else "")


def _parsed(name: str) -> JobId:
    match = ID.fullmatch(name)
    if not match:
        raise ValueError(f"{name!r} is no job")
    return JobId(match[1], int(match[2]) if match[2] else None, is_array=match[2] == "", server=match[3] or "")


def _json_jobs(text: str) -> Mapping[str, Mapping[str, Any]]:
    # Control characters stand in values of the environment.
    jobs: Mapping[str, Mapping[str, Any]] = json.loads(text, strict=False).get("Jobs", {})
    return jobs


def _text_jobs(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Return the jobs of ``qstat -f``: ``    key = value`` lines, continued by lines that begin with a tab.

    A line that is neither belongs to a value that has line ends of its own: a function of the user's shell.
    """
    for block in re.split(r"^Job Id: ", text, flags=re.MULTILINE)[1:]:
        name, *lines = block.splitlines()
        job: dict[str, str] = {}
        key = ""
        for line in lines:
            match = re.fullmatch(r"    (\S+) = (.*)", line)
            if match:
                key = match[1]
                job[key] = match[2]
            elif line.startswith("\t") and key:
                job[key] += line[1:]
        yield name.strip(), job


def _status(job_id: JobId, job: Mapping[str, Any], array: Mapping[str, Any]) -> JobStatus:
    raw, substate = str(job.get("job_state", "")), _integer(job.get("substate"))
    status = _integer(job.get("Exit_status"))
    comment = str(job.get("comment", ""))
    if raw not in {EXPIRED, ENDED}:
        state = _live(raw, substate, comment)
    elif status is not None:
        state = _ended(substate, status)
    else:
        state = _never_ran(substate, array if job_id.index is not None else {})
    signal = status - SIGNALED if status is not None and status > SIGNALED else None
    return JobStatus(
        id=job_id,
        state=state,
        raw=f"{raw} {substate}",
        source=Source.QUEUE,
        reason=comment,
        exit_status=status if signal is None else None,
        signal=signal,
        name=str(job.get("Job_Name", "")),
    )


def _integer(value: object) -> int | None:
    return int(str(value)) if value is not None else None


def _live(raw: str, substate: int | None, comment: str) -> JobState:
    if raw in {"Q", "H"} and comment.startswith("Can Never Run"):
        return JobState.BLOCKED
    if raw == "R" and substate == PRERUN:
        return JobState.STARTING
    return STATES.get(raw, JobState.UNKNOWN)


def _ended(substate: int | None, status: int) -> JobState:
    if status in KILLED:
        return KILLED[status]
    if substate == TERMINATED:
        return JobState.CANCELLED
    # The exit status of an array is 0 although elements have failed; its substate tells.
    return JobState.SUCCEEDED if status == 0 and substate != FAILED else JobState.FAILED


def _never_ran(substate: int | None, array: Mapping[str, Any]) -> JobState:
    """Return how a job ended that has no exit status: it was deleted, or its dependency could not be met.

    An element that was deleted while it waited says 92, like a blocked job; but its array has begun or was deleted.
    """
    has_begun = array.get("job_state") == "B" or "Exit_status" in array
    was_deleted = TERMINATED in {substate, _integer(array.get("substate"))}
    return JobState.CANCELLED if was_deleted or has_begun else JobState.BLOCKED
