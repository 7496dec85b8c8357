"""From what a user types to a run folder: an id, a unique prefix of one, a folder, or ``@last``.

A run's folder is called ``<utc time>-<id>``; a prefix may be one of the id or of the folder's name. Folders whose name
begins with a dot are being made or removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from nsg_cluster.core.errors import RunError, did_you_mean
from nsg_cluster.core.logs import printable
from nsg_cluster.core.paths import RunPaths, StoragePaths

__all__ = [
    "all_runs",
    "choose_run",
    "experiment_runs",
    "find_run",
    "find_runs",
    "in_order",
    "is_run_folder",
    "run_id",
]

LAST = "@last"
SHOWN = 5


def all_runs(storage: StoragePaths) -> list[RunPaths]:
    """Return every run of a storage, the oldest first."""
    found = [RunPaths(Path(entry)) for folder in _folders(storage.runs) for entry in _folders(folder)]
    runs = [run for run in found if run.record.is_file()]
    return in_order(runs, written=lambda run: run.record.stat().st_mtime_ns)


def in_order(runs: Iterable[RunPaths], *, written: Callable[[RunPaths], float] = lambda _: 0) -> list[RunPaths]:
    """Return runs with the oldest first; of those of one second the one whose record was written first."""
    return sorted(runs, key=lambda run: (run.root.name.partition("-")[0], written(run)))


def _folders(folder: Path | str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.path for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise RunError(f"{folder}: cannot be read: {error.strerror}") from None


def experiment_runs(storage: StoragePaths, experiment: str) -> list[RunPaths]:
    """Return the runs of an experiment, the oldest first."""
    runs = (RunPaths(Path(entry)) for entry in sorted(_folders(storage.runs / experiment)))
    return [run for run in runs if run.record.is_file()]


def run_id(run: RunPaths) -> str:
    """Return the id of a run, which its folder's name ends with."""
    return run.root.name.rpartition("-")[2]


def is_run_folder(folder: Path) -> bool:
    """Return whether a folder is that of a run."""
    return RunPaths(folder).record.is_file()


def find_runs(words: Iterable[str], storage: StoragePaths) -> list[RunPaths]:
    """Return the runs that words mean, each once, in their order; every run where there are no words.

    Raises:
        RunError: A word means no run, or several.
    """
    words = list(words)
    if not words:
        return all_runs(storage)
    return list(dict.fromkeys(find_run(word, storage) for word in words))


def find_run(word: str, storage: StoragePaths) -> RunPaths:
    """Return the run that a word means.

    Raises:
        RunError: It means none, or several.
    """
    if not word:
        raise RunError("a run cannot be called ''; give its id, a prefix of it, its folder, or @last")
    folder = Path(word)
    # A lone name is an id first; './name' is a folder in any case.
    if os.sep in word or word in {".", ".."}:
        if is_run_folder(folder):
            return RunPaths(folder.absolute())
        raise RunError(f"{printable(word)}: {_why_no_run(folder)}")
    runs = all_runs(storage)
    if word != LAST and not _matching(word, runs) and is_run_folder(folder):
        return RunPaths(folder.absolute())
    return choose_run(word, runs, storage.runs)


def _why_no_run(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    return f"is not the folder of a run: it has no {RunPaths(folder).record.name}"


def choose_run(word: str, runs: Sequence[RunPaths], where: Path) -> RunPaths:
    """Return the one of some runs, the oldest first, that an id, the beginning of one or ``@last`` means.

    Args:
        word: What the user typed.
        runs: The runs.
        where: The folder that holds them, for messages.

    Raises:
        RunError: It means none, or several.
    """
    if word == LAST:
        if not runs:
            raise RunError(
                f"{where}: holds no run yet; start one with: python launch.py FILE.yaml, "
                f"or name the site whose storage has some: --site NAME"
            )
        return runs[-1]
    found = _matching(word, runs)
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{run_id(run)} ({run.root.parent.name})" for run in found[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise RunError(
            f"'{printable(word)}' is the beginning of {len(found)} runs: {listed}{more}; type more of the id"
        )
    near = did_you_mean(word, [run_id(run) for run in runs])
    raise RunError(
        f"no run '{printable(word)}' in {where}; list them with: python launch.py status, "
        f"those of another site with: --site NAME{near and '.' + near}"
    )


def _matching(word: str, runs: Sequence[RunPaths]) -> list[RunPaths]:
    exact = [run for run in runs if word in {run_id(run), run.root.name}]
    return exact or [run for run in runs if run_id(run).startswith(word) or run.root.name.startswith(word)]
