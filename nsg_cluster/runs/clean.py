"""Removing runs, and what a launcher or a clean that was killed has left behind."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.executor.charge import starter_is_gone
from nsg_cluster.runs.find import run_id
from nsg_cluster.runs.jobs import read_jobs
from nsg_cluster.runs.status import RunRow
from nsg_cluster.runs.withdraw import withdraw

__all__ = ["check_removable", "leftovers", "remove", "remove_leftovers"]

# Who makes or removes a folder takes seconds; one of another machine cannot be asked whether it still lives.
SETTLED_S = 600.0
FORGOTTEN_S = 86_400.0


def check_removable(run: RunPaths, row: RunRow, storage: StoragePaths) -> None:
    """Refuse a run that is running or lies elsewhere.

    Raises:
        RunError: It does.
    """
    if not row.is_final:
        raise RunError(f"run {row.id} is {row.state}; stop it first with: python launch.py cancel {row.id}")
    parent = run.root.parent
    inside = parent.resolve().parent == storage.runs.resolve()
    if run.root.is_symlink() or parent.is_symlink() or not inside:
        raise RunError(f"{run.root}: does not lie in {storage.runs} itself; remove it by hand")


def remove(run: RunPaths, row: RunRow | None = None) -> None:
    """Remove the folder of a run; links in it are removed, never what they lead to.

    Args:
        run: The run.
        row: What is known of it: jobs that will never start are taken out of their queue.

    Raises:
        MachineError: The scheduler does not answer.
        RunError: It cannot be removed.
    """
    jobs = read_jobs(run) if row else None
    if row and jobs:
        withdraw(run, jobs, [task.index for task in row.tasks if task.status.state == "blocked"])
    # Renamed first, so that nobody takes a half-removed folder for a run.
    doomed = run.root.with_name(f".removed-{run_id(run)}")
    try:
        run.root.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise RunError(f"{error.filename or run.root}: cannot be removed: {error.strerror}") from None
    with suppress(OSError):
        run.root.parent.rmdir()  # only where nothing is in it


def leftovers(storage: StoragePaths) -> list[Path]:
    """Return the hidden folders of runs that were never finished making, or removing, by a process that is gone."""
    return [path for path in _hidden(storage) if _is_left_over(path)]


def _hidden(storage: StoragePaths) -> Iterator[Path]:
    for pattern in (".new-*", ".removed-*"):
        yield from sorted(storage.runs.glob(f"*/{pattern}"))


def _is_left_over(folder: Path) -> bool:
    try:
        age_s = time.time() - folder.lstat().st_mtime
    except OSError:
        return False
    if folder.is_symlink() or not folder.is_dir():
        return False
    return age_s > FORGOTTEN_S or (age_s > SETTLED_S and starter_is_gone(RunPaths(folder)))


def remove_leftovers(storage: StoragePaths) -> int:
    """Remove what is left over and return how many folders there were."""
    found = leftovers(storage)
    for folder in found:
        # Somebody else may be at it: what remains is found the next time.
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()
    return len(found)
