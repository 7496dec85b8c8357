"""Runs on this machine: one supervisor process a run, which lives on when the terminal is closed.

``python -m nsg_cluster.executor.local RUN_FOLDER`` starts every task that has not succeeded and was not cancelled, at
most ``max_parallel`` at a time, each as a job of submitit's local executor. What that executor does on its own and what
is done about it here:

* It stops a job after two minutes. Here the limit is the task's ``walltime``, or a hundred years.
* It starts a job anew at most six times. Here a task that was stopped by its limit is submitted again as a new job.
* It hides every GPU from a job that does not ask for a number of them. Here the GPUs go by another variable.
* It ends jobs with SIGINT and, a second later, SIGKILL. Here it never learns of a cancellation: the tasks are asked.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nsg_cluster.core.errors import ConfigError, MachineError, NsgError, RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.logs import set_up
from nsg_cluster.core.paths import RunPaths, TaskPaths
from nsg_cluster.core.process import Child, start
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.core.units import format_bytes
from nsg_cluster.executor.charge import put_in_charge, starter_is_gone, take_charge
from nsg_cluster.executor.machine import num_cpus, visible_gpus
from nsg_cluster.executor.request import Request, TaskRequest
from nsg_cluster.tasks.base import Task
from nsg_cluster.tasks.cancel import cancel_task
from nsg_cluster.tasks.orders import read_orders
from nsg_cluster.tasks.status import TaskStatus, current_status, write_status
from nsg_cluster.tasks.watch import ALL_GPUS, VISIBLE_GPUS, package_environment

if TYPE_CHECKING:
    from submitit.local.local import LocalJob

__all__ = ["Supervisor", "check", "check_folder", "command", "launch"]

# Not __name__, which is "__main__" in the supervisor.
log = logging.getLogger("nsg_cluster.executor.local")
POLL_S = 0.2
SHORTEST_WALLTIME_S = 4
NO_LIMIT_S = 100 * 365 * 86_400
THREADS = "OMP_NUM_THREADS"
# submitit replaces these by parts of a job's id wherever they stand in a path.
PLACEHOLDERS = ("%j", "%t", "%A", "%a")
_launched: list[Child] = []


def check(run: RunPaths, request: Request) -> None:
    """Refuse what this machine cannot do, before anything is written.

    Raises:
        ConfigError: A time limit is too short.
        MachineError: There are fewer GPUs than a task asks for.
        RunError: The folder's name cannot be used.
    """
    check_folder(run)
    for limit_s in (task.walltime_s for task in request.tasks):
        if limit_s is not None and limit_s < SHORTEST_WALLTIME_S:
            raise ConfigError(
                f"resources.walltime: {limit_s}s is too short; a task needs {SHORTEST_WALLTIME_S}s to start and stop"
            )
    for task in request.tasks:
        _check_amounts(task)
    wanted = max(task.gpus or 0 for task in request.tasks)
    if wanted and wanted > (found := len(visible_gpus())):
        raise MachineError(f"resources.gpus: {wanted} asked for, but this machine has {found or 'none'}")


def check_folder(run: RunPaths) -> None:
    """Refuse a folder whose name submitit would change.

    Raises:
        RunError: It would.
    """
    for word in PLACEHOLDERS:
        if word in str(run.root):
            raise RunError(f"{run.root}: submitit would replace '{word}' in it; choose a storage folder without it")


def _check_amounts(task: TaskRequest) -> None:
    """Refuse cores and memory that this machine lacks, and pieces of nodes, which it does not sell.

    Raises:
        ConfigError: It does not sell pieces.
        MachineError: It has less.
    """
    if task.resource_type is not None:
        raise ConfigError(f"resources.resource_type: this machine sells no {task.resource_type}; choose a --site")
    if task.cpus is not None and task.cpus > (found := num_cpus()):
        raise MachineError(f"resources.cpus: {task.cpus} asked for, but this machine has {found}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if task.memory_bytes is not None and task.memory_bytes > memory:
        asked, there = format_bytes(task.memory_bytes), format_bytes(memory)
        raise MachineError(f"resources.memory: {asked} asked for, but this machine has {there}")


def command(run: RunPaths) -> list[str]:
    """Return the program that runs a run's tasks here, and ends when they have ended."""
    return [sys.executable, "-m", "nsg_cluster.executor.local", str(run.root)]


def launch(run: RunPaths, environment: Mapping[str, str]) -> None:
    """Start the supervisor of a run and return.

    Args:
        run: The run's files.
        environment: Variables of the tasks, beside those of this process.

    Raises:
        MachineError: It cannot be started.
        RunError: Its log cannot be written.
    """
    env = {**os.environ, **environment}
    env |= package_environment(env)
    try:
        output = run.supervisor_log.open("ab")
    except OSError as error:
        raise RunError(f"{run.supervisor_log}: cannot be written: {error.strerror}") from None
    with output:
        # Its own folder: the one that this command runs in may hold modules that hide others, or be removed.
        process = start(command(run), stdout=output, stderr=output, cwd=run.root, env=env, new_session=True)
    put_in_charge(run, process.pid)
    # Kept until they have ended: the system holds an ended child's number until its parent has asked for it.
    _launched[:] = [other for other in _launched if other.poll() is None]
    _launched.append(process)


class Supervisor:
    """Starts the tasks of a run and waits for them.

    Args:
        run: The run's files.
        request: What its tasks need.
    """

    def __init__(self, run: RunPaths, request: Request) -> None:
        self._run, self._request = run, request
        self._parallel = min(request.max_parallel or 1, len(request.tasks))
        self._gpus = visible_gpus() if any(task.gpus for task in request.tasks) else ()
        self._after = [RunPaths(Path(folder)) for folder in read_orders(run).after]
        self._waiting: deque[int] = deque()
        # By slot: the index of the task and its job, or no job for a task that was running already.
        self._active: dict[int, tuple[int, LocalJob[int] | None]] = {}

    def run(self, stop: StopSignal) -> bool:
        """Run all tasks to their ends and return whether every one has succeeded."""
        if self._parallel > 1:
            # Each task would otherwise start as many threads as the machine has CPUs.
            os.environ.setdefault(THREADS, str(max(1, num_cpus() // self._parallel)))
        self._look_around()
        while self._waiting or self._active:
            if stop.requested == "cancel":
                self._cancel()
            for slot in [slot for slot in self._active if self._has_ended(slot)]:
                self._settle(slot)
            while len(self._active) < self._parallel and (index := self._next()) is not None:
                self._start(index)
            time.sleep(POLL_S)
        return all(self._status(index).state == "succeeded" for index in range(len(self._request.tasks)))

    def _next(self) -> int | None:
        """Return the next task, and take it out of those that wait; while other runs go on only a cancelled one."""
        is_held = any(map(_goes_on, self._after))
        for index in self._waiting:
            if not is_held or self._run.task(index).cancelled.exists():
                self._waiting.remove(index)
                return index
        return None

    def _look_around(self) -> None:
        """Queue the tasks that are to be run; wait for those that a killed supervisor has left running."""
        for index in range(len(self._request.tasks)):
            paths = self._run.task(index)
            state = self._status(index).state
            if state == "running":
                log.info("task %d is running already", index)
                self._active[len(self._request.tasks) + index] = (index, None)
            elif state != "succeeded" and not paths.cancelled.exists():
                self._waiting.append(index)

    def _status(self, index: int) -> TaskStatus:
        return current_status(self._run.task(index))

    def _cancel(self) -> None:
        for index in (*self._waiting, *(index for index, _ in self._active.values())):
            if not self._run.task(index).cancelled.exists():
                cancel_task(self._run.task(index))

    def _start(self, index: int) -> None:
        """Start a task in a free slot, unless it was cancelled meanwhile."""
        paths = self._run.task(index)
        if paths.cancelled.exists():
            self._write_end(index, replace(self._status(index), state="cancelled", reason="cancelled before it began"))
            return
        slot = next(slot for slot in range(self._parallel) if slot not in self._active)
        os.environ[VISIBLE_GPUS] = self._gpus_of(index, slot)
        if threads := self._request.tasks[index].cpus:
            os.environ[THREADS] = str(threads)
        job = _submit(self._run, Task(str(paths.spec)), self._request.tasks[index].walltime_s)
        log.info("task %d starts as job %s", index, job.job_id)
        self._active[slot] = (index, job)

    def _gpus_of(self, index: int, slot: int) -> str:
        """Return the GPUs of a task in a slot; tasks that run at the same time share none while there are enough."""
        wanted = self._request.tasks[index].gpus
        if wanted is None:
            return os.environ.get("CUDA_VISIBLE_DEVICES", ALL_GPUS)
        return ",".join(self._gpus[(slot * wanted + number) % len(self._gpus)] for number in range(wanted))

    def _has_ended(self, slot: int) -> bool:
        index, job = self._active[slot]
        # The job may be killed while the task goes on.
        return (job is None or job.done()) and self._status(index).state != "running"

    def _settle(self, slot: int) -> None:
        """Make room for the next task; write an end where the task itself could not, or queue it again."""
        index, job = self._active.pop(slot)
        status = self._status(index)
        if status.state == "queued" and status.stopped_at is not None:
            log.info("task %d goes on after its time limit", index)
            self._waiting.appendleft(index)
        elif status.state == "queued":
            reason = "its job ended before the task began"
            self._write_end(index, replace(status, state="failed", reason=f"{reason}: {_last_words(job)}"))
        else:
            self._write_end(index, status)

    def _write_end(self, index: int, status: TaskStatus) -> None:
        log.info("task %d: %s%s", index, status.state, f" ({status.reason})" if status.reason else "")
        write_status(self._run.task(index), replace(status, ended=status.ended or time.time()))


def _goes_on(run: RunPaths) -> bool:
    """Return whether a run of this machine has not ended; one that is gone has."""
    is_orphan = starter_is_gone(run)
    folders = run.tasks.iterdir() if run.tasks.is_dir() else ()
    return any(not current_status(TaskPaths(folder), starter_is_gone=is_orphan).is_final for folder in folders)


def _submit(run: RunPaths, task: Task, walltime_s: int | None) -> LocalJob[int]:
    from submitit import LocalExecutor

    limit_s = walltime_s or NO_LIMIT_S
    # Countdown and number of attempts are unlimited: a task that gets no further between two limits ends by itself.
    executor = LocalExecutor(run.submitit, max_num_timeout=1 << 30)
    executor.update_parameters(timeout_min=limit_s / 60, signal_delay_s=min(60, max(1, limit_s // 4)))
    # Control-C at a terminal reaches the whole group. submitit's controller would give its job one second to end.
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return executor.submit(task)
    finally:
        signal.signal(signal.SIGINT, previous)


def _last_words(job: LocalJob[int] | None) -> str:
    """Return the last line that a job printed before it came to the task."""
    text = (job.stderr() or job.stdout() or "") if job else ""
    return (text.strip().splitlines() or ["it left no message"])[-1]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tasks of a run here; 0 where all have succeeded, 1 where one has not, 2 for a mistake."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    set_up()
    if len(arguments) != 1:
        print("usage: python -m nsg_cluster.executor.local RUN_FOLDER", file=sys.stderr)  # noqa: T201 - a program
        return 2
    run = RunPaths(Path(arguments[0]).absolute())
    try:
        request = Request.from_json(read_json(run.record)["request"])
        check(run, request)
        with StopSignal() as stop, take_charge(run):
            succeeded = Supervisor(run, request).run(stop)
    except NsgError as error:
        log.error("%s", error)
        return error.exit_status
    if stop.requested == "cancel":
        return 130
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
