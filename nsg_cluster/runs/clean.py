"""Removing runs."""

from __future__ import annotations

import shutil
from contextlib import suppress

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.runs.find import run_id
from nsg_cluster.runs.status import RunRow

__all__ = ["check_removable", "remove"]


def check_removable(run: RunPaths, row: RunRow, storage: StoragePaths) -> None:
    """Refuse a run that is running or lies elsewhere.

    Raises:
        RunError: It does.
    """
    if not row.is_final:
        raise RunError(f"run {row.id} is {row.state}; stop it first with: launch.py cancel {row.id}")
    parent = run.root.parent
    inside = parent.resolve().parent == storage.runs.resolve()
    if run.root.is_symlink() or parent.is_symlink() or not inside:
        raise RunError(f"{run.root}: does not lie in {storage.runs} itself; remove it by hand")


def remove(run: RunPaths) -> None:
    """Remove the folder of a run; links in it are removed, never what they lead to.

    Raises:
        RunError: It cannot be removed.
    """
    # Renamed first, so that nobody takes a half-removed folder for a run.
    doomed = run.root.with_name(f".removed-{run_id(run)}")
    try:
        run.root.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise RunError(f"{error.filename or run.root}: cannot be removed: {error.strerror}") from None
    with suppress(OSError):
        run.root.parent.rmdir()  # only where nothing is in it
