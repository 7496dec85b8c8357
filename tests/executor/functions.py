"""What the jobs of the tests do."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from submitit.helpers import DelayedSubmission


def fail(text: str) -> None:
    """Raise an error."""
    raise ValueError(text)


def leave(status: int) -> None:
    """End without a result."""
    sys.stdout.flush()
    os._exit(status)


def die() -> None:
    """Be killed as by the kernel for lack of memory."""
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds: float) -> str:
    """Take a while."""
    time.sleep(seconds)
    return "awake"


def seen() -> dict[str, str]:
    """Return what a job knows of itself."""
    names = ("NSG_JOB_ID", "NSG_TASK", "SUBMITIT_EXECUTOR", "USER")
    return {name: os.environ[name] for name in names} | {"cwd": str(Path.cwd()), "python": sys.executable}


class Count:
    """Counts to a number, one step a line of a file, and goes on where it was stopped."""

    def __init__(self, path: str, number: int) -> None:
        self.path, self.number = path, number

    def __call__(self) -> int:
        """Count on."""
        with Path(self.path).open("a") as file:
            file.write("start\n")
            while (count := Path(self.path).read_text().count("step")) < self.number:
                time.sleep(0.1)
                file.write(f"step {count}\n")
                file.flush()
        return count

    def checkpoint(self) -> DelayedSubmission:
        """Say that it was stopped; a signal that comes twice must not say it twice."""
        with Path(self.path).open("a") as file:
            file.write("checkpoint\n")
        os.kill(os.getpid(), signal.SIGUSR2)
        return DelayedSubmission(Count(self.path, self.number))
