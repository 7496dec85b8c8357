"""Somebody at the launcher, on this machine or as an ordinary user of a cluster: everything goes through commands."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.core.process import is_alive
from tests.clusters.cluster import Cluster
from tests.clusters.interpreter import interpreter
from tests.contract import session
from tests.contract.runs import FAKE, SPEC, children_of, until

__all__ = ["Failed", "LocalPerson", "Person", "Row", "Server", "UserOfCluster", "server_of", "states"]

Row = dict[str, Any]
Server = subprocess.Popen[str]
PATIENCE_S = 90.0


class Failed(Exception):
    """A command ended with another exit status than 0; its text is what it printed to standard error."""


def states(row: Row) -> list[str]:
    """Return the states of a run's tasks."""
    return [task["state"] for task in row["tasks"]]


@dataclass
class Person:
    """A storage, and somebody who types commands."""

    root: Path
    """Where runs go, and where commands are typed."""
    site: str
    environment: dict[str, str] = field(default_factory=dict)
    runs: list[RunPaths] = field(default_factory=list)
    patience_s: float = PATIENCE_S

    def command(self, argv: list[str], environment: Mapping[str, str], folder: Path) -> tuple[int, str, str]:
        """Run a command line; return its exit status and what it printed."""
        raise NotImplementedError

    def folder(self, path: Path) -> Path:
        """Make a folder of this person."""
        path.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, path: Path, text: str, mode: int = 0o644) -> Path:
        """Write a file of this person."""
        path.write_text(text)
        path.chmod(mode)
        return path

    @property
    def variables(self) -> dict[str, str]:
        """Variables that the commands see."""
        home = self.root / "config"
        return {"NSG_STORAGE": str(self.root), "XDG_CONFIG_HOME": str(home), **self.environment}

    def type(self, *argv: str, cwd: Path | None = None) -> str:
        """Run a command and return what it printed.

        Raises:
            Failed: Its exit status is not 0.
        """
        status, out, err = self.command(list(argv), self.variables, cwd or self.root)
        if status != 0:
            raise Failed(err)
        return out

    def spec(self, *, description: str = "''", steps: int = 2, walltime: str = "null") -> Path:
        """Write an experiment."""
        return self.write(self.root / "tiny.yaml", SPEC.format(description=description, steps=steps, walltime=walltime))

    def submit(
        self, *overrides: str, options: tuple[str, ...] = (), cwd: Path | None = None, **settings: Any
    ) -> RunPaths:
        """Start a run.

        Raises:
            Failed: It was refused.
        """
        file = self.spec(**settings)
        argv = ["submit", str(file), *overrides, "--site", self.site, "--detach", "--json", *options]
        run = RunPaths(Path(json.loads(self.type(*argv, cwd=cwd))["folder"]))
        self.runs.append(run)
        return run

    def row(self, run: RunPaths) -> Row:
        """Return what is known of a run."""
        (row,) = json.loads(self.type("status", str(run.root), "--json"))["runs"]
        return dict(row)

    def wait(self, run: RunPaths, *wanted: str) -> Row:
        """Wait until a run has ended, or all its tasks are in one of some states."""
        deadline = time.monotonic() + self.patience_s
        while True:
            row = self.row(run)
            over = set(states(row)) <= set(wanted) if wanted else row["is_final"]
            if over:
                return row
            assert time.monotonic() < deadline, f"waited in vain for {wanted or 'the end'}: {row}"
            time.sleep(0.2)

    def wait_for_step(self, run: RunPaths, step: int = 1, index: int = 0) -> None:
        """Wait until a task has come to a step."""
        path = run.task(index).progress
        until(lambda: path.exists() and read_json(path)["step"] >= step, f"step {step} of {path}")

    def stage_process(self, run: RunPaths, index: int = 0) -> int:
        """Return the process that trains."""
        (stage,) = children_of(read_json(run.task(index).status)["pid"])
        return stage

    @property
    def own_processes(self) -> set[int]:
        """Processes in which commands run; they are those that compute where a run is trained in the foreground."""
        return {os.getpid()}

    def end_everything(self) -> None:
        """Cancel what a failed test has left behind, and kill what does not listen."""
        for run in self.runs:
            with suppress(Failed, AssertionError):
                if not self.row(run)["is_final"]:
                    self.type("cancel", str(run.root))
            for path in (run.supervisor, *(folder / "status.json" for folder in run.tasks.glob("*"))):
                with suppress(Exception):
                    pid, start = (read_json(path)[key] for key in ("pid", "pid_start"))
                    if pid not in self.own_processes and is_alive(pid, start):
                        os.kill(pid, signal.SIGKILL)


class LocalPerson(Person):
    """Whoever runs the tests, on this machine."""

    def command(self, argv: list[str], environment: Mapping[str, str], folder: Path) -> tuple[int, str, str]:
        """Run a command line in this process."""
        return session.command(argv, {**environment, "PYTHONPATH": str(FAKE)}, str(folder))


@dataclass
class UserOfCluster(Person):
    """An ordinary user of a cluster."""

    cluster: Cluster = field(kw_only=True)
    server: Server = field(kw_only=True)

    @property
    def own_processes(self) -> set[int]:
        """That of the tests, and that of the user's commands."""
        return {*super().own_processes, self.server.pid}

    def folder(self, path: Path) -> Path:
        """Make a folder of the user."""
        for folder in (*reversed(path.parents), path):
            if not folder.exists():
                self.cluster.account.folder(folder)
        return path

    def write(self, path: Path, text: str, mode: int = 0o644) -> Path:
        """Write a file of the user."""
        return self.cluster.account.write(path, text, mode)

    @property
    def variables(self) -> dict[str, str]:
        """Variables that the commands see, programs of this test first."""
        path = f"{self.root / 'bin'}:{self.cluster.env['PATH']}"
        return {**self.cluster.env, "PYTHONPATH": str(FAKE), "PATH": path, **super().variables}

    def command(self, argv: list[str], environment: Mapping[str, str], folder: Path) -> tuple[int, str, str]:
        """Run a command line as the user, in a process that stays."""
        assert self.server.stdin and self.server.stdout
        self.server.stdin.write(
            json.dumps({"argv": argv, "environment": dict(environment), "folder": str(folder)}) + "\n"
        )
        self.server.stdin.flush()
        answer = self.server.stdout.readline()
        assert answer, f"the process that runs commands has ended with {self.server.wait(timeout=10)}"
        status, out, err = json.loads(answer)
        return int(status), str(out), str(err)

    def start(self, code: str, *arguments: str) -> Server:
        """Start Python code as the user, in a process of its own."""
        argv = [str(interpreter(self.cluster.account)), "-c", code, *arguments]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return self.cluster.account.popen(argv, env=self.variables, cwd=self.root, **pipes)

    def replace(self, program: str, before: str = "", after: str = "exit $status") -> Path:
        """Put a script before a program of the scheduler: its calls are counted, and it may fail.

        Args:
            program: Its name; ``submit`` is the submit command.
            before: Lines of sh before it runs.
            after: Lines of sh after it, ``$status`` being its exit status.

        Returns:
            A file with a line for each call.
        """
        name = {"slurm": "sbatch"}.get(self.cluster.name, "qsub") if program == "submit" else program
        calls = self.root / f"{name}.calls"
        real = shlex.quote(str(self.cluster.bin / name))
        lines = ["#!/bin/sh", f"echo {name} >> {shlex.quote(str(calls))}", before, f'{real} "$@"', "status=$?", after]
        self.write(self.folder(self.root / "bin") / name, "\n".join(lines) + "\n", 0o755)
        return calls


@contextmanager
def server_of(cluster: Cluster) -> Iterator[Server]:
    """Start the process that runs the commands of a cluster's user."""
    argv = [str(interpreter(cluster.account)), "-m", "tests.contract.session"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with cluster.account.popen(
        argv, env={**cluster.env, "PYTHONPATH": str(FAKE)}, cwd=cluster.account.base, **pipes
    ) as server:
        try:
            yield server
        finally:
            server.kill()
