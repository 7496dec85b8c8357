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

import difflib
from collections.abc import Iterable

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
    "did_you_mean",
]


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
