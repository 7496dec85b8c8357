"""Programs: the one place of the package that starts any, always from a list of arguments, never through a shell."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, NoReturn

from nsg_cluster.core.errors import MachineError, StartError, did_you_mean

__all__ = ["BLENDER", "PIPE", "Child", "Completed", "become", "is_alive", "process_start_time", "run", "start"]

PIPE = subprocess.PIPE
Child = subprocess.Popen[bytes]
"""A started program."""
Stream = int | IO[bytes] | IO[str] | None
BLENDER = "NSG_BLENDER"
"""Variable that names the Blender of this machine: a program of the host, which an image does not have."""
REPORTED_LINES = 20
# Linux derives the time of boot from a clock that is corrected while it runs, so two readings may differ by a second.
START_TOLERANCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended."""

    argv: tuple[str, ...]
    status: int
    """Exit status; minus the number of the signal that ended it."""
    out: str
    err: str

    def check(self) -> Completed:
        """Return this where the status is 0.

        Raises:
            MachineError: The program failed; the text has its arguments, its status and the end of its standard error.
        """
        if self.status == 0:
            return self
        said = (self.err.strip() or self.out.strip() or "(it printed nothing)").splitlines()
        lines = "\n".join(f"  {line}" for line in said[-REPORTED_LINES:])
        raise MachineError(f"{shlex.join(self.argv)}: {_describe(self.status)}:\n{lines}")


def _describe(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"ended by {signal.Signals(-status).name}"
    return f"ended by signal {-status}"


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    input: str | None = None,
) -> Completed:
    """Run a program to its end and return what it said; a failure is in the status, see `Completed.check`.

    Args:
        argv: Program and arguments.
        timeout_s: Seconds after which the program and its children are killed.
        cwd: Folder to run in.
        env: The whole environment; this process's own by default.
        input: Standard input; empty by default.

    Raises:
        MachineError: The program cannot be started, or did not end in time.
    """
    # A session of its own lets children that hold the pipes be killed with the program.
    process = start(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env=env, new_session=True
    )
    try:
        out, err = process.communicate((input or "").encode(), timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise MachineError(f"{shlex.join(argv)}: did not end within {timeout_s:g} s and was killed") from None
    finally:
        if process.returncode is None:
            _kill(process)
    return Completed(tuple(argv), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def start(
    argv: Sequence[str],
    *,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = None,
    stderr: Stream = None,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    new_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program and return at once.

    Args:
        argv: Program and arguments.
        stdin: Standard input; empty by default.
        stdout: Where standard output goes; that of this process by default.
        stderr: Where standard error goes; that of this process by default.
        cwd: Folder to run in.
        env: The whole environment; this process's own by default.
        new_session: Detach it from this terminal; it survives this process and can be killed with its children.

    Raises:
        StartError: The program cannot be started.
    """
    try:
        return subprocess.Popen(
            list(argv), stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, env=env, start_new_session=new_session
        )
    except (OSError, ValueError) as error:
        raise StartError(_why_not(argv, cwd, env, error)) from None


def become(argv: Sequence[str], *, env: Mapping[str, str]) -> NoReturn:
    """Replace this process by a program, under the same number and with the same open files, in a session of its own.

    A signal that is sent to everything that a job has started reaches the program only through whoever started this.

    Args:
        argv: Program, by its path, and arguments.
        env: The whole environment.

    Raises:
        MachineError: The program cannot be started.
    """
    with contextlib.suppress(PermissionError):  # it leads a group already, and so cannot be reached through another
        os.setsid()
    try:
        os.execve(argv[0], list(argv), dict(env))  # noqa: S606 - no shell is wanted
    except (OSError, ValueError) as error:
        raise MachineError(_why_not(argv, None, env, error)) from None


def _why_not(
    argv: Sequence[str], cwd: Path | str | None, env: Mapping[str, str] | None, error: OSError | ValueError
) -> str:
    if cwd is not None and not Path(cwd).is_dir():
        return f"{shlex.join(argv)}: cannot start in {cwd}, which is not a folder"
    if isinstance(error, FileNotFoundError) and "/" not in argv[0]:
        near = did_you_mean(argv[0], _programs(os.environ if env is None else env))
        return f"{shlex.join(argv)}: no program '{argv[0]}' on PATH: install it or add its folder to PATH.{near}"
    return f"{shlex.join(argv)}: cannot be started: {getattr(error, 'strerror', None) or error}"


def _programs(env: Mapping[str, str]) -> set[str]:
    names: set[str] = set()
    for folder in env.get("PATH", "").split(os.pathsep):
        with contextlib.suppress(OSError):
            names.update(os.listdir(folder or "."))  # noqa: PTH208 - names alone, no Path for each of thousands
    return names


def process_start_time(pid: int) -> float | None:
    """Return the Unix time at which a process of this machine started; ``None`` where it runs no longer."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        boot = Path("/proc/stat").read_text()
    except OSError:
        return _start_time_by_ps(pid) if not Path("/proc/self/stat").exists() else None
    # The program's name stands in parentheses and may hold anything, so the fields are counted from its end.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    boot_time = next(int(line.split()[1]) for line in boot.splitlines() if line.startswith("btime "))
    return boot_time + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _start_time_by_ps(pid: int) -> float | None:
    """Ask ``ps``, for systems without ``/proc`` (macOS)."""
    answer = run(["ps", "-o", "state=,lstart=", "-p", str(pid)], timeout_s=10, env={**os.environ, "LC_ALL": "C"})
    state, _, started = answer.out.strip().partition(" ")
    if answer.status != 0 or state.startswith("Z"):
        return None
    return time.mktime(datetime.strptime(started.strip(), "%a %b %d %H:%M:%S %Y").timetuple())


def is_alive(pid: int, start_time: float) -> bool:
    """Return whether the process that started then under this number still runs; numbers are used again."""
    found = process_start_time(pid)
    return found is not None and abs(found - start_time) <= START_TOLERANCE_S
