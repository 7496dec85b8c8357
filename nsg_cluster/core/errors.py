"""The exception tree, and the wording of "did you mean".

::

    NsgError                  anything a user can cause or mend; the command line prints it, exit status 2
    ├── ConfigError           a mistake in an experiment, a site file or an override
    ├── DataError             a dataset that is missing, broken or inconsistent
    ├── RunError              an unknown run, a folder that cannot be written, a broken record
    ├── CheckpointError       no usable checkpoint
    ├── ContainerError        a Dockerfile, a definition or an image that is wrong or cannot be used
    ├── MachineError          a program, package or device that this machine lacks
    │   └── StartError        a program that was not even started
    └── TrainingError         training stopped by itself: not finite, dead twice, disk full (exit status 1)

An exception outside this tree is a fault of ours and is shown with its traceback.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
from collections.abc import Iterable, Iterator

__all__ = [
    "CheckpointError",
    "ConfigError",
    "ContainerError",
    "DataError",
    "MachineError",
    "NsgError",
    "RunError",
    "StartError",
    "TrainingError",
    "cure_of",
    "did_you_mean",
    "reason_of",
    "refusals_told",
]

# What a file system refuses, and what its user can do; any other error of the system is a fault of ours.
REFUSALS = {
    errno.EACCES: "ask its owner for permission, or name another place",
    errno.EPERM: "ask its owner for permission, or name another place",
    errno.EROFS: "name a place that can be written",
    errno.ENOSPC: "free some space, or name another place",
    errno.EDQUOT: "free some space, or name another place",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.EIO: "the disk or the server that holds it has a fault; try again, or ask whoever keeps it",
    errno.ESTALE: "the disk or the server that holds it has a fault; try again, or ask whoever keeps it",
}


class NsgError(Exception):
    """A mistake or a condition that the user can mend; its text says how."""

    exit_status = 2


class ConfigError(NsgError):
    """A mistake in an experiment, a site file or an override."""


class DataError(NsgError):
    """A dataset that is missing, broken or inconsistent."""


class RunError(NsgError):
    """An unknown run, a run folder that cannot be used, or a broken record."""


class CheckpointError(NsgError):
    """No usable checkpoint where one is needed."""


class ContainerError(NsgError):
    """A Dockerfile, a definition or an image that is wrong or cannot be used."""


class MachineError(NsgError):
    """A program, package or device that this machine lacks."""


class StartError(MachineError):
    """A program that was not even started."""


class TrainingError(NsgError):
    """Training stopped by itself: a value that is not finite, a dead start, a full disk."""

    exit_status = 1


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest allowed word, or an empty string."""
    near = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def reason_of(error: Exception) -> str:
    """Return what an error says, without the number and the path that Python puts around the system's words."""
    return getattr(error, "strerror", None) or str(error)


def cure_of(error: Exception, otherwise: str) -> str:
    """Return what its user can do about a file that cannot be used: against a refusal of the file system, or else."""
    return REFUSALS.get(getattr(error, "errno", None) or 0, otherwise)


@contextlib.contextmanager
def refusals_told() -> Iterator[None]:
    """Turn what a file system refuses (permission, space, a broken disk) into a sentence, wherever it was met.

    Raises:
        RunError: A file or folder cannot be used; which one, why, and what to do.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or error.errno not in REFUSALS:
            raise
        raise RunError(f"{error.filename}: {error.strerror}: {REFUSALS[error.errno]}") from None
