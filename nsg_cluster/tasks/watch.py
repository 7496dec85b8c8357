"""Watching one attempt of a task: start the stage process, keep ``status.json``, pass signals on, say how it ended.

This is the host side of a job. The stage process does the computing; its exit status says how it ended:

======  =======================================================================================
0       done
75      stopped at a warning that time is nearly up, after a checkpoint; wants to be continued
1       failed: training stopped by itself, or a fault of ours
2       failed: a mistake of the user
143     stopped on request, after a checkpoint
======  =======================================================================================
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nsg_cluster.core.errors import NsgError, RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths, TaskPaths
from nsg_cluster.core.process import PIPE, Child, start
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.tasks.after import verdict
from nsg_cluster.tasks.heartbeat import Heartbeat
from nsg_cluster.tasks.orders import Orders, in_job, read_orders
from nsg_cluster.tasks.secrets import SECRETS, in_container, read_secrets
from nsg_cluster.tasks.staging import Stage, Wish, stage_in
from nsg_cluster.tasks.status import TaskStatus

__all__ = [
    "ALL_GPUS",
    "CANCELLED",
    "CONTINUE",
    "ON_REQUEST",
    "STAGES",
    "VISIBLE_GPUS",
    "package_environment",
    "position",
    "watch",
]

CONTINUE = os.EX_TEMPFAIL
CANCELLED = 128 + signal.SIGTERM
STAGES = ("prepare", "train", "evaluate", "render")
ON_REQUEST = ("export",)
"""Stages that no task runs by itself."""
# Set by an executor that cannot say in CUDA_VISIBLE_DEVICES which GPUs a task may use.
VISIBLE_GPUS = "NSG_VISIBLE_GPUS"
ALL_GPUS = "all"
POLL_S = 0.1
CANCEL_GRACE_S = 120.0
# After a warning the time for a checkpoint is over: what follows is killed by the scheduler within a second.
TIMEOUT_GRACE_S = 0.5
SIGNALS = {"warning": signal.SIGUSR2, "cancel": signal.SIGTERM}


def watch(paths: TaskPaths, *, job_id: str = "") -> TaskStatus:
    """Run one attempt of a task to its end and return the status that was written.

    Must be called from the main thread, because it listens to signals.

    Raises:
        RunError: The status cannot be written, or the orders of the run cannot be read.
    """
    orders = read_orders(RunPaths(paths.root.parents[1]))
    with StopSignal() as stop, Heartbeat(paths, stop, job_id=job_id) as heartbeat:
        if paths.cancelled.exists():
            heartbeat.end("cancelled", reason="cancelled before it began")
        elif (found := verdict(orders.after)).kind == "never":
            heartbeat.end("blocked", reason=found.reason)
        else:
            _attempt(paths, orders, stop, heartbeat)
    return heartbeat.status


def _attempt(paths: TaskPaths, orders: Orders, stop: StopSignal, heartbeat: Heartbeat) -> None:
    """Run the stage process to its end and write what came of it."""
    with paths.log_out.open("ab") as out, paths.log_err.open("ab") as err:
        told_before = err.tell()
        try:
            stage = _stage_in(paths, stop, out)
            process = _start(paths, orders, stage, out, err)
        except NsgError as error:
            err.write(f"error: {error}\n".encode())
            heartbeat.end("failed", exit_status=error.exit_status, reason=str(error))
            return
    warned = _wait(process, stop, paths, stage)
    end = _End(status=process.returncode, warned=warned, told_before=told_before)
    loss = _copy_back(stage)
    if loss and end.status == 0:
        heartbeat.end("failed", exit_status=1, reason=loss)
    else:
        _write_end(heartbeat, paths, end, continuations=orders.continuations)


def _start(paths: TaskPaths, orders: Orders, stage: Stage, out: IO[bytes], err: IO[bytes]) -> Child:
    """Start the stage process.

    It ends itself when the other end of its standard input closes, that is, when this process is killed; unlike a
    signal at the parent's death this works through a container as well.

    Raises:
        ConfigError: The file of secrets cannot be used.
        MachineError: It cannot be started.
        RunError: The program is named by a variable that is not set.
    """
    argv = [*in_job(orders.command, os.environ), str(paths.root), "--watched", *stage.arguments]
    env = {**_stage_environment(os.environ), **_secrets(os.environ)}
    return start(argv, stdin=PIPE, stdout=out, stderr=err, env=env)


def _secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the program which computes gets, in a container or not, and nobody else.

    Raises:
        ConfigError: The file of secrets cannot be used.
    """
    if not environment.get(SECRETS):
        return {}
    found = read_secrets(Path(environment[SECRETS]))
    return {**found, **in_container(found)}


def _stage_in(paths: TaskPaths, stop: StopSignal, out: IO[bytes]) -> Stage:
    """Copy to scratch what the task wants there, and say so in its log.

    Raises:
        NsgError: It cannot be copied.
    """
    wish = Wish.read(paths)
    if not wish:
        return Stage(paths)
    stage, said = stage_in(wish, paths, stop)
    out.write(f"scratch: {said}\n".encode())
    out.flush()
    return stage


def _copy_back(stage: Stage) -> str:
    """Bring results from scratch; return why that could not be, they are still there then."""
    try:
        stage.copy_back()
    except RunError as error:
        return f"its results could not be brought from scratch: {error}"
    stage.remove()
    return ""


def _stage_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the stage process: logs appear at once, and the GPUs are those of this task."""
    result = {**environment, "PYTHONUNBUFFERED": "1", **package_environment(environment)}
    # submitit's local executor hides every GPU from a job that does not ask for a number of them.
    visible = result.pop(VISIBLE_GPUS, None)
    if visible == ALL_GPUS:
        result.pop("CUDA_VISIBLE_DEVICES", None)
    elif visible is not None:
        result["CUDA_VISIBLE_DEVICES"] = visible
    return result


def package_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that let ``python -m nsg_cluster`` find this very package from any folder."""
    root = Path(__file__).resolve().parents[2]
    found = environment.get("PYTHONPATH", "").split(os.pathsep)
    variables = {"PYTHONSAFEPATH": "1"}
    # An installed package is found anyway; its folder would hide the standard library's modules of the same name.
    if root.name not in {"site-packages", "dist-packages"} and str(root) not in found:
        variables["PYTHONPATH"] = os.pathsep.join([str(root), *filter(None, found)])
    return variables


def _wait(process: Child, stop: StopSignal, paths: TaskPaths, stage: Stage) -> bool:
    """Wait for the stage process, passing each request on once; return whether it was warned."""
    sent: list[str] = []
    deadline = float("inf")
    while process.poll() is None:
        now = time.monotonic()
        if stop.requested and stop.requested not in sent:
            if stop.requested == "cancel":
                is_late = "warning" in sent and not paths.cancelled.exists()
                deadline = now + (TIMEOUT_GRACE_S if is_late else CANCEL_GRACE_S)
            sent.append(stop.requested)
            process.send_signal(SIGNALS[stop.requested])
            stage.copy_back_now()
        if now >= deadline:
            process.kill()
        time.sleep(POLL_S)
    assert process.stdin is not None
    process.stdin.close()
    return "warning" in sent


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How a stage process ended."""

    status: int
    """Exit status; minus the number of the signal that ended it."""
    warned: bool
    """Whether it was told that its time is nearly up."""
    told_before: int
    """Length of its standard error's log when it began."""


def _write_end(heartbeat: Heartbeat, paths: TaskPaths, end: _End, *, continuations: int | None) -> None:
    """Write what the end of the stage process means."""
    status, warned = end.status, end.warned
    name = _signal_name(-status) if status < 0 else None
    cancelled = paths.cancelled.exists()
    exit_status = None if status < 0 else status
    if status == 0:
        heartbeat.end("succeeded", exit_status=0)
    elif not cancelled and (status == CONTINUE or (warned and status == -signal.SIGUSR2)):
        # The signal itself ends a stage process that has only just been started.
        _write_continuation(heartbeat, paths, continuations)
    elif cancelled or (status in {CANCELLED, -signal.SIGTERM} and not warned):
        heartbeat.end("cancelled", exit_status=exit_status, signal=name, reason="cancelled; continue it with resubmit")
    elif warned and status in {CANCELLED, -signal.SIGKILL, -signal.SIGTERM}:
        reason = "the time limit was reached before a checkpoint was written"
        heartbeat.end("timeout", exit_status=exit_status, signal=name, reason=reason)
    elif name:
        lack = ", perhaps by the system for lack of memory" if name == "SIGKILL" else ""
        heartbeat.end("failed", signal=name, reason=f"killed by {name}{lack}")
    else:
        heartbeat.end("failed", exit_status=status, reason=_last_words(paths.log_err, end.told_before))


def _write_continuation(heartbeat: Heartbeat, paths: TaskPaths, continuations: int | None) -> None:
    """Queue the task again, unless its time limit is too short to get anywhere or it had its continuations."""
    here, before, count = position(paths), heartbeat.status.stopped_at, heartbeat.status.continued
    if here is None or (before is not None and here <= before):
        where = f"step {here[1]} of {STAGES[here[0]]}" if here else "the first step"
        reason = f"the time limit ended attempt {heartbeat.status.attempt} before it got past {where}"
        heartbeat.end("timeout", exit_status=CONTINUE, reason=f"{reason}: raise resources.walltime")
    elif continuations is not None and count >= continuations:
        reason = f"its time limit has ended it {count + 1} times; it goes on with resubmit"
        heartbeat.end("timeout", exit_status=CONTINUE, reason=reason)
    else:
        heartbeat.end("queued", exit_status=CONTINUE, stopped_at=here, reason="continues after its time limit")


def position(paths: TaskPaths) -> tuple[int, int] | None:
    """Return the stage (its index) and the step that a task has reached; ``None`` where it has not begun."""
    try:
        progress = read_json(paths.progress)
        return STAGES.index(progress["stage"]), int(progress["step"])
    except (RunError, KeyError, TypeError, ValueError):
        return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_words(log: Path, told_before: int) -> str:
    """Return the last line that this attempt wrote to its standard error."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(told_before, size - 8192))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    said = [line for line in lines if line]
    if said:
        return said[-1].removeprefix("error: ")
    return "it left no message" + ("" if shutil.disk_usage(log).free else ", for the disk is full")
