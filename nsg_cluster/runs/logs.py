"""The logs of a run's tasks: printed, and followed across attempts until the tasks have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.paths import RunPaths

__all__ = ["error_log", "follow_logs", "last_lines", "read_logs"]

POLL_S = 0.3
BLOCK = 1 << 16
Sink = Callable[[bytes], object]


def error_log(run: RunPaths, index: int, job: str | None) -> Path:
    """Return where a task's errors stand: its own log, or that of its job or of its starter where it never began.

    Args:
        run: The run.
        index: The task.
        job: Its job, as its status has it.
    """
    own = run.task(index).log_err
    others = (*((run.job_log(job),) if job else ()), run.supervisor_log)
    return next((log for log in (own, *others) if log.exists()), own)


def read_logs(paths: Sequence[tuple[str, Path]], sink: Sink) -> None:
    """Hand over whole logs, each under its title where there are several.

    Raises:
        RunError: One cannot be read.
    """
    for tail in _tails(paths):
        tail.pump(sink, with_title=len(paths) > 1)


def follow_logs(paths: Sequence[tuple[str, Path]], sink: Sink, *, is_over: Callable[[], bool]) -> None:
    """Hand over logs as they grow, until it is over.

    Raises:
        RunError: One cannot be read.
    """
    tails = _tails(paths)
    spoke: _Tail | None = None
    while True:
        # Asked before reading: what was written before the end is read in any case.
        over = is_over()
        for tail in tails:
            if tail.pump(sink, with_title=len(tails) > 1 and tail is not spoke):
                spoke = tail
        if over:
            return
        time.sleep(POLL_S)


@dataclass(slots=True)
class _Tail:
    """One growing file, and how far it was read."""

    title: str
    path: Path
    read: int = 0

    def pump(self, sink: Sink, *, with_title: bool) -> bool:
        """Hand over what is new; return whether there was anything."""
        before = self.read
        while block := self._next_block():
            if with_title and self.read == before:
                sink(f"==> {self.title} <==\n".encode())
            self.read += len(block)
            sink(block)
        return self.read > before

    def _next_block(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self.read)
                return file.read(BLOCK)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise RunError(f"{self.path}: cannot be read: {error.strerror}") from None


def _tails(paths: Sequence[tuple[str, Path]]) -> list[_Tail]:
    return [_Tail(title, path) for title, path in paths]


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a log, empty ones left out; none where there is no log."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - BLOCK))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-count:]
