"""Submitit's executor and job, written once against a dialect; their watcher and environment stand in their own files.

Where submitit's own plugins break, and what is done here:

* An array is one call of the submit command. Its pickles are found by the job itself, so that a launcher that dies
  right after the submission leaves no dead job behind.
* A submit command that fails although the job is queued has submitted it.
* The warning before the time limit does not depend on signals of the scheduler.

Beside submitit's own files a job's folder holds ``<id>_cancelled``, the tombstone of a cancelled job, and
``<id>_continued``, the name of the job that goes on with it where a job cannot be queued again under its number.
"""

from __future__ import annotations

import os
import shlex
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from submitit.core import core, utils

from nsg_cluster.core.errors import ConfigError, MachineError
from nsg_cluster.core.process import Completed
from nsg_cluster.executor.client import Client
from nsg_cluster.executor.environment import STARTED, WARN_AFTER
from nsg_cluster.executor.watcher import JobFiles, SchedulerWatcher
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.script import MODULES_INIT, Program, batch_script, plain
from nsg_cluster.scheduler.types import JobId, Resources, Submission, job_name
from nsg_cluster.tasks.watch import package_environment

__all__ = ["SchedulerExecutor", "SchedulerJob", "cancel"]

NO_LIMIT_S = 100 * 365 * 86_400
# Parameters that submitit's AutoExecutor hands to every executor.
SHARED = ("name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node")


class SchedulerJob(core.Job[Any]):  # type: ignore[misc] # submitit has no types
    """A job or an element of an array."""

    dialect: ClassVar[Dialect]
    watcher: ClassVar[SchedulerWatcher]

    def _register_in_watcher(self) -> None:
        self.watcher.watch(self.paths)

    def cancel(self, check: bool = True) -> None:  # noqa: FBT001, FBT002 - as submitit spells it
        """Cancel this job, or this element alone.

        Args:
            check: Raise an error where the scheduler refuses.

        Raises:
            MachineError: The scheduler refused or did not answer.
        """
        try:
            cancel([self])
        except MachineError:
            if check:
                raise


def cancel(jobs: Iterable[SchedulerJob]) -> None:
    """Cancel jobs of one scheduler with one call; they count as cancelled even where it forgets them.

    Raises:
        MachineError: The scheduler refused or did not answer.
    """
    chosen = list(jobs)
    for job in chosen:
        JobFiles(job.paths).cancelled.touch()
    if chosen:
        Client(chosen[0].dialect).cancel([JobFiles(job.paths).newest() for job in chosen])


class SchedulerExecutor(core.PicklingExecutor):  # type: ignore[misc] # submitit has no types
    """Submits functions as jobs.

    Parameters shared with other executors: ``name timeout_min mem_gb nodes cpus_per_task gpus_per_node tasks_per_node
    stderr_to_stdout``. Its own, behind the executor's name and ``_`` in `submitit.AutoExecutor`: see ``PARAMETERS``.

    Args:
        folder: Folder for pickles and logs; it must be visible on the nodes.
        max_num_timeout: How often a function with a ``checkpoint`` method goes on after its time limit.
        max_pickle_size_gb: Largest size of all pickles of a submission.
        python: Command that starts Python on a node; this interpreter by default.
    """

    job_class: type[SchedulerJob]
    PARAMETERS: ClassVar[Mapping[str, str]] = {
        "group": "group, project or account that pays",
        "resource_type": "what the site calls the piece of a node to take",
        "queue": "queue or partition",
        "array_parallelism": "elements of an array that may run at the same time",
        "signal_delay_s": "seconds before the time limit at which the function is warned",
        "setup": "lines of bash before Python starts",
        "teardown": "lines of bash after it",
        "options": "further options, as they stand in a script",
        "after": "a Dependency",
        "resources": "Resources, instead of all that asks for something one by one",
        "modules": "modules to load",
        "modules_init": "file that defines the command module",
        "environment": "variables to set; $NAME in them stands for a variable of the job",
        "package": "folder that holds the package which the job runs; that of this process by default",
        "workdir": "folder that the function runs in; by default the one that it was submitted from",
        "scratch": "folder of the job on its node, such as $PBS_LOCALDIR; found in NSG_SCRATCH",
    }

    def __init__(
        self,
        folder: Path | str,
        max_num_timeout: int = 3,
        max_pickle_size_gb: float = 1.0,
        python: str | None = None,
    ) -> None:
        super().__init__(folder, max_num_timeout=max_num_timeout, max_pickle_size_gb=max_pickle_size_gb)
        self.python = shlex.quote(sys.executable) if python is None else python
        self.uid: str | None = None
        """What the files of the next submission are called; something random by default."""
        self.submitted: list[JobId] = []
        """The jobs that were submitted, arrays as a whole."""

    @property
    def dialect(self) -> Dialect:
        """How to speak to this scheduler, as the parameters say."""
        return self.job_class.dialect

    @classmethod
    def _equivalence_dict(cls) -> core.EquivalenceDict:
        return {name: name for name in SHARED}

    @classmethod
    def _valid_parameters(cls) -> set[str]:
        return set(cls.PARAMETERS)

    def _internal_update_parameters(self, **kwargs: Any) -> None:
        """Take parameters, refusing what is unknown or cannot be expressed.

        Raises:
            ConfigError: The scheduler cannot express something that is asked for.
            ValueError: A parameter is unknown.
        """
        unknown = sorted(set(kwargs) - {*self.PARAMETERS, *SHARED, "stderr_to_stdout"})
        if unknown:
            lines = [f"  - {name}: {text}" for name, text in sorted(self.PARAMETERS.items())]
            raise ValueError(
                "\n".join([f"Unavailable parameter(s): {unknown}; there are {', '.join(SHARED)} and", *lines])
            )
        before = dict(self.parameters)
        super()._internal_update_parameters(**kwargs)
        try:
            batch_script(self.dialect, self.submission(2), self.program(["true"], "0"))
        except ConfigError:
            self.parameters.clear()
            self.parameters.update(before)
            raise

    @property
    def _first_folder(self) -> Path:
        """Folder of this executor's files, without the parts that name a job."""
        return Path(utils.JobPaths.get_first_id_independent_folder(self.folder))

    @property
    def walltime_s(self) -> int | None:
        """Time limit; ``None`` for that of the scheduler."""
        given: Resources | None = self.parameters.get("resources")
        return given.walltime_s if given else round(float(self.parameters.get("timeout_min", 5)) * 60)

    def submission(self, elements: int | None) -> Submission:
        """Return what is submitted for a number of functions.

        Raises:
            ConfigError: The scheduler cannot express something that is asked for.
        """
        given = self.parameters.get
        return Submission(
            name=job_name(given("name", "submitit")),
            resources=given("resources") or self._resources(),
            sink=str(self._first_folder / "scheduler"),
            group=given("group"),
            elements=elements,
            max_parallel=given("array_parallelism"),
            after=given("after"),
            options=tuple(given("options", ())),
        )

    def _resources(self) -> Resources:
        given = self.parameters.get
        if given("tasks_per_node", 1) > 1:
            raise ConfigError("tasks_per_node: one process is started; start the others in it, with torchrun or mpirun")
        memory_gb = given("mem_gb")
        return Resources(
            walltime_s=self.walltime_s,
            nodes=given("nodes", 1),
            resource_type=given("resource_type"),
            gpus=given("gpus_per_node") or None,
            cpus=given("cpus_per_task"),
            memory_bytes=None if memory_gb is None else round(memory_gb * 2**30),
            queue=given("queue"),
        )

    def program(self, command: Sequence[str], uid: str) -> Program:
        """Return what the script runs.

        Args:
            command: Program and arguments.
            uid: Name of this submission.
        """
        given = self.parameters.get
        logs = {name: self._in_job(getattr(utils.JobPaths(self.folder), name)) for name in ("stdout", "stderr")}
        pickles = plain(str(self._pickles(uid)))
        submitted = '"$NSG_JOB_ID"'.join(map(plain, str(utils.JobPaths(self.folder).submitted_pickle).split("%j")))
        # Before the launcher moves the pickle to where submitit looks for it, the job finds it by itself.
        link = f'[ -e {submitted} ] || ln -s {pickles}/"$NSG_TASK".pkl {submitted} 2> /dev/null || [ -e {submitted} ]'
        own = {"SUBMITIT_EXECUTOR": self.name(), **self._warning(), **self._environment(uid)}
        # The job finds this very package, and what this process was told to find.
        search = {"PYTHONPATH": "", **os.environ, **package_environment(os.environ)}["PYTHONPATH"]
        search = os.pathsep.join(filter(None, [given("package"), search]))
        own |= {"PYTHONPATH": search} if search else {}
        return Program(
            command=tuple(command),
            folder=given("workdir") or str(Path.cwd()),
            folders=(self._in_job(self.folder),) if "%" in str(self.folder) else (),
            out=logs["stdout"],
            err=logs["stdout" if given("stderr_to_stdout") else "stderr"],
            environment={**given("environment", {}), **{name: _literal(value) for name, value in own.items()}},
            modules=tuple(given("modules", ())),
            modules_init=given("modules_init", MODULES_INIT),
            scratch=given("scratch"),
            prologue=(f"export {STARTED}=$(date +%s)", f"{link} || exit", *given("setup", ())),
            epilogue=tuple(given("teardown", ())),
        )

    def _warning(self) -> dict[str, str]:
        """Return when the job is to be warned, if it has a limit."""
        if self.walltime_s is None:
            return {}
        delay_s = self.parameters.get("signal_delay_s") or min(90, self.walltime_s // 4)
        return {WARN_AFTER: str(self.walltime_s - delay_s)}

    def _environment(self, uid: str) -> dict[str, str]:  # noqa: ARG002 - a job that submits itself again needs it
        """Return further variables of the job."""
        return {}

    def _in_job(self, path: Path) -> str:
        """Return a path with submitit's placeholders as the script writes it.

        Raises:
            ConfigError: It holds one that stands for nothing here.
        """
        text = _literal(str(path)).replace("%j", "${NSG_JOB_ID}").replace("%t", "0")
        if "%A" in text or "%a" in text:
            raise ConfigError(f"{path}: only %j and %t can stand in the folder of {self.name()}")
        return text

    def _pickles(self, uid: str) -> Path:
        return self._first_folder / f".pickles_{uid}"

    def script(self, uid: str) -> Path:
        """Return the file that a submission is written to."""
        return self._first_folder / f".submission_file_{uid}.sh"

    def _internal_process_submissions(
        self, delayed_submissions: Sequence[utils.DelayedSubmission]
    ) -> list[SchedulerJob]:
        """Submit functions, as one array if there are several.

        Raises:
            NsgError: The submission was refused.
        """
        uid = self.uid or uuid.uuid4().hex
        pickles = self._pickles(uid)
        (self._first_folder / "scheduler").mkdir(parents=True, exist_ok=True)
        pickles.mkdir()
        for index, delayed in enumerate(delayed_submissions):
            delayed.set_timeout((self.walltime_s or NO_LIMIT_S) / 60, self.max_num_timeout)
            delayed.dump(pickles / f"{index}.pkl")
            self._check_size(pickles / f"{index}.pkl", len(delayed_submissions))
        jobs = self._submit(uid, len(delayed_submissions))
        for index, job in enumerate(jobs):
            job.paths.move_temporary_file(pickles / f"{index}.pkl", "submitted_pickle")
        pickles.rmdir()
        return jobs

    def _check_size(self, pickle: Path, count: int) -> None:
        size_gb = count * pickle.stat().st_size / 2**30
        if size_gb > self.max_pickle_size_gb:
            raise RuntimeError(
                f"{count} pickles of {size_gb:.2f} GB exceed max_pickle_size_gb={self.max_pickle_size_gb}"
            )

    def _submit(self, uid: str, elements: int) -> list[SchedulerJob]:
        script = self.script(uid)
        submission = self.submission(elements)
        script.write_text(self.script_text(uid))
        array = Client(self.dialect).submit(submission, script)
        self.submitted.append(array)
        jobs = [self.job_class(folder=self.folder, job_id=str(job)) for job in submission.ids(array)]
        # Kept under its first name as well: a job that goes on as another one submits it again.
        jobs[0].paths.move_temporary_file(script, "submission_file", keep_as_symlink=True)
        return jobs

    @property
    def _submitit_command_str(self) -> str:
        return f"{self.python} -u -m nsg_cluster.executor.job {shlex.quote(str(self.folder))}"

    def _num_tasks(self) -> int:
        return 1

    def _make_submission_file_text(self, command: str, uid: str) -> str:
        return batch_script(self.dialect, self.submission(None), self.program(shlex.split(command), uid))

    def script_text(self, uid: str) -> str:
        """Return the text of a submission's script."""
        return self._make_submission_file_text(self._submitit_command_str, uid)

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        return self.dialect.submit_argv(self.submission(None), str(submission_file_path))

    @classmethod
    def _get_job_id_from_submission_command(cls, string: bytes | str) -> str:
        text = string if isinstance(string, str) else string.decode(errors="replace")
        try:
            return str(cls.job_class.dialect.parse_submission(Completed(("submit",), 0, text, "")))
        except MachineError as error:
            raise utils.FailedSubmissionError(str(error)) from None


def _literal(text: str) -> str:
    return text.replace("$", "$$")
