"""A scheduler's daemons: start, wait until they answer, kill, start again, stop."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsg_cluster.core.process import is_alive, process_start_time
from tests.clusters.account import Account, Unavailable
from tests.clusters.interpreter import interpreter
from tests.clusters.ports import free_ports

START_S = 30.0
STOP_S = 5.0


@dataclass(frozen=True)
class Daemon:
    """A program that stays in the foreground."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]


def wait_until(what: str, condition: Callable[[], bool], *, timeout_s: float = START_S) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It does not come true.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(0.05)


class Cluster(ABC):
    """A scheduler on this machine. Objects in different processes stand for the same daemons.

    Args:
        account: Whose it is.
        packages: Folder of the unpacked packages.
        root: Folder for its files; another one is another cluster.
    """

    name: str
    port_names: tuple[str, ...]

    def __init__(self, account: Account, packages: Path, root: Path | None = None) -> None:
        self.account, self.packages = account, packages
        self.root = root or account.base / self.name
        self.bin = self.root / "bin"

    @property
    def ports(self) -> dict[str, int]:
        """Ports by name, as chosen when it was started."""
        ports: dict[str, int] = json.loads((self.root / "ports.json").read_text())
        return ports

    @property
    @abstractmethod
    def daemons(self) -> tuple[Daemon, ...]:
        """In the order in which they are started."""

    @property
    @abstractmethod
    def programs(self) -> tuple[str, ...]:
        """Names of the programs for users."""

    @abstractmethod
    def configure(self) -> None:
        """Write what the daemons read."""

    def connect(self) -> None:  # noqa: B027 - most need nothing
        """Set up what needs the daemons."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether jobs would be accepted and started."""

    @abstractmethod
    def client(self, program: str) -> str:
        """Return a line of sh that runs a program for users with the arguments ``"$@"``."""

    @property
    def env(self) -> dict[str, str]:
        """Environment of a user of this scheduler."""
        environment = self.account.environment()
        return {**environment, "PATH": f"{self.bin}:{environment['PATH']}"}

    def up(self) -> None:
        """Start it anew, with no jobs.

        Raises:
            Unavailable: It does not come up.
        """
        self.down()
        self.account.folder(self.root)
        self.account.folder(self.bin)
        self.account.folder(self.root / "log")
        ports = dict(zip(self.port_names, free_ports(len(self.port_names)), strict=True))
        self.account.write(self.root / "ports.json", json.dumps(ports))
        self.configure()
        for program in self.programs:
            self.account.write(self.bin / program, f"#!/bin/sh\nexec {self.client(program)}\n", 0o755)
        try:
            for daemon in self.daemons:
                self.start(daemon.name)
            self.connect()
            wait_until(f"{self.name} to answer", self.answers)
        except (TimeoutError, OSError, RuntimeError, subprocess.SubprocessError) as error:
            logs = "; ".join(f"{path.name}: {_end(path)}" for path in sorted((self.root / "log").iterdir()))
            self.down()
            raise Unavailable(f"{self.name} does not come up: {error}; {logs}") from None
        self.account.write(self.root / "ready", "")

    def down(self) -> None:
        """Stop it and its jobs, and forget them."""
        for name in [path.name for path in (self.root / "pids").glob("*")]:
            self.stop(name, signal.SIGKILL)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)

    def processes(self) -> list[int]:
        """Return the processes whose environment names a file of this cluster: its jobs, and what watches them."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if f"={self.root}/".encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        return [pid for pid in found if pid not in {os.getpid(), os.getppid()}]

    def is_up(self) -> bool:
        """Whether all its daemons run."""
        return (self.root / "ready").exists() and all(self._pid(daemon.name) for daemon in self.daemons)

    def start(self, name: str) -> None:
        """Start a daemon."""
        daemon = next(each for each in self.daemons if each.name == name)
        with (self.root / "log" / name).open("ab") as log:
            process = self.account.popen(
                daemon.argv, env=daemon.env, cwd=self.root, stdout=log, stderr=log, start_new_session=True
            )
        pids = self.account.folder(self.root / "pids")
        self.account.write(pids / name, f"{process.pid} {process_start_time(process.pid)}")
        # Not waited for here: another process may stop it, and `is_alive` knows a dead child from a live one.
        process.returncode = 0

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop a daemon, with SIGKILL if it does not listen."""
        pid = self._pid(name)
        if pid:
            os.kill(pid, number)
            try:
                wait_until(name, lambda: self._pid(name) is None, timeout_s=STOP_S)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                wait_until(name, lambda: self._pid(name) is None, timeout_s=STOP_S)
        (self.root / "pids" / name).unlink(missing_ok=True)

    def _pid(self, name: str) -> int | None:
        path = self.root / "pids" / name
        if not path.exists():
            return None
        pid, started = path.read_text().split()
        return int(pid) if started != "None" and is_alive(int(pid), float(started)) else None

    def run(self, *argv: str, cwd: Path | None = None, timeout_s: float = 60, **env: str) -> str:
        """Run a program as the user and return what it printed.

        Raises:
            subprocess.CalledProcessError: It failed; its standard error is in the text.
        """
        done = self.account.run(argv, env={**self.env, **env}, cwd=cwd, timeout_s=timeout_s)
        if done.returncode != 0:
            raise RuntimeError(f"{argv}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def python(self, code: str, *arguments: str, cwd: Path | None = None, timeout_s: float = 120, **env: str) -> str:
        """Run Python code of this checkout as the user and return what it printed."""
        argv = [str(interpreter(self.account)), "-c", code, *arguments]
        return self.run(*argv, cwd=cwd, timeout_s=timeout_s, **env)

    def work(self) -> Path:
        """Return a new folder of the user."""
        parent = self.account.folder(self.account.base / "work")
        folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=parent))
        return self.account.folder(folder)


def _end(path: Path) -> str:
    return path.read_text(errors="replace")[-400:].strip().replace("\n", " / ") if path.is_file() else ""
