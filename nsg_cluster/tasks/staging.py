"""Node-local scratch: a task's data copied there before it starts, and its results copied back from there.

Everything that a run cannot do without stays on group storage: status, logs, events and checkpoints. What is copied
back, file by file and each one whole, are pictures, videos, curves and, last of all, the marks that say from which
checkpoint they were made; so a node that dies in the middle leaves results that are repeated, never half of them taken
for all.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nsg_cluster.core.errors import DataError, RunError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.core.staged import redirect
from nsg_cluster.core.units import format_bytes

if TYPE_CHECKING:
    from nsg_cluster.config.schema import Experiment

__all__ = ["SCRATCH", "Stage", "Wish", "stage_in", "staged_here"]

log = logging.getLogger(__name__)

# Set by the batch script, or by the executor of this machine.
SCRATCH = "NSG_SCRATCH"
# Small files on a network file system wait for its answers.
NUM_COPIERS = 8


@dataclass(slots=True)
class Stage:
    """Scratch of one attempt: what the program that computes is told of it, and how results come back.

    Args:
        folder: The attempt's folder on scratch; ``None`` where nothing is staged.
        paths: The task's files on group storage.
        data: Where the data is read from instead of where it lies.
        results: Where results are written.
    """

    paths: TaskPaths
    folder: Path | None = None
    data: tuple[str, Path] | None = None
    results: Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def arguments(self) -> list[str]:
        """Options of ``python -m nsg_cluster.tasks``."""
        data = ["--data", self.data[0], str(self.data[1])] if self.data else []
        return [*data, *(["--results", str(self.results)] if self.results else [])]

    def copy_back(self) -> None:
        """Bring what is new of the results to group storage; may be called while the task runs.

        Raises:
            RunError: It could not be brought; it is still on scratch.
        """
        if self.results is None:
            return
        inside = TaskPaths(self.paths.root, self.results)
        with self._lock:
            for source, target in zip(inside.results, self.paths.results, strict=True):
                _renew(source, target)

    def copy_back_now(self) -> None:
        """Begin to bring results back, beside the task that still writes them: the final time may not come."""

        def quietly() -> None:
            with contextlib.suppress(RunError):
                self.copy_back()

        threading.Thread(target=quietly, name="copy back", daemon=True).start()

    def remove(self) -> None:
        """Remove the folder on scratch: not every site does at the end of a job."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What of a task is to be on scratch: ``resources.scratch`` of its experiment."""

    root: str | None
    """Folder of its data; ``None`` where these are made, not read."""
    data: bool = False
    only: tuple[str, ...] = ()
    results: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return self.data or self.results

    @classmethod
    def of(cls, experiment: Experiment) -> Wish:
        """Return the wish of an experiment."""
        scratch = experiment.resources.scratch
        root = getattr(experiment.data, "root", None)
        return cls(root=root, data=scratch.data, only=scratch.only, results=scratch.results)

    @classmethod
    def read(cls, paths: TaskPaths) -> Wish:
        """Return the wish of a task, whose spec was checked when it was written: models are slow to load.

        Raises:
            NsgError: The spec cannot be read.
        """
        # Not before a task runs: what is pickled loads in a moment.
        from nsg_cluster.core.documents import read_yaml

        content = read_yaml(paths.spec).mapping
        scratch = content.get("resources", {}).get("scratch", {})
        return cls(root=content.get("data", {}).get("root"), **{**scratch, "only": tuple(scratch.get("only", ()))})


@contextlib.contextmanager
def staged_here(wish: Wish, paths: TaskPaths, stop: StopSignal) -> Iterator[TaskPaths]:
    """Use scratch for a task that runs in this process, and bring its results back at the end, however it ends.

    Raises:
        DataError: The data cannot be copied.
        RunError: There is no scratch, or the results could not be brought back.
    """
    if not wish:
        yield paths
        return
    stage, said = stage_in(wish, paths, stop)
    log.info("scratch: %s", said)
    if stage.data:
        redirect(*stage.data)
    try:
        yield TaskPaths(paths.root, stage.results)
    finally:
        stage.copy_back()
        stage.remove()


def stage_in(wish: Wish, paths: TaskPaths, stop: StopSignal) -> tuple[Stage, str]:
    """Copy to scratch what is wanted there, and return it with a sentence about it.

    It may end early at a request to stop.

    Raises:
        DataError: The data cannot be read, or there is not enough room.
        RunError: There is no scratch.
    """
    scratch = os.environ.get(SCRATCH)
    if not scratch:
        raise RunError(f"resources.scratch: {SCRATCH} is not set here: the site's `scratch` names no folder")
    try:
        Path(scratch).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="nsg-", dir=scratch))
    except OSError as error:
        raise RunError(f"scratch {scratch}: cannot be used: {error.strerror}") from None
    stage = Stage(paths, folder)
    said: list[str] = []
    try:
        if wish.results:
            stage.results = folder / "results"
            stage.results.mkdir()
            # An attempt that goes on finds what the one before it has made.
            for source, target in zip(paths.results, TaskPaths(paths.root, stage.results).results, strict=True):
                _renew(source, target)
            said.append(f"results go to {stage.results} first")
        if wish.data and wish.root is not None:
            stage.data = (wish.root, folder / "data")
            said.append(_copy_data(Path(wish.root), folder / "data", wish.only, stop))
    except BaseException:
        stage.remove()
        raise
    return stage, "; ".join(said)


def _copy_data(root: Path, target: Path, only: Sequence[str], stop: StopSignal) -> str:
    began = time.monotonic()
    try:
        files = list(_files(root, only))
        total = sum(size for _, size in files)
        room = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise DataError(f"data.root: {error.filename or root}: cannot be read: {error.strerror}") from None
    if not files:
        what = f"nothing in {root} fits resources.scratch.only: {', '.join(only)}" if only else f"{root} is empty"
        raise DataError(f"data.root: {what}")
    if total > room:
        raise DataError(f"data.root: {format_bytes(total)} do not fit on scratch: {target} has {format_bytes(room)}")

    def copy(relative: Path) -> None:
        if not stop.requested:
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / relative, target / relative)

    try:
        with ThreadPoolExecutor(NUM_COPIERS) as pool:
            list(pool.map(copy, [relative for relative, _ in files]))
    except OSError as error:
        raise DataError(f"data.root: {error.filename}: cannot be copied to {target}: {error.strerror}") from None
    taken_s = time.monotonic() - began
    return f"copied {len(files)} files, {format_bytes(total)}, of {root} to {target} in {taken_s:.1f} s"


def _files(root: Path, only: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """Yield files below a folder, relative to it, with their sizes; links are followed."""
    starts = [path for pattern in only for path in sorted(root.glob(pattern))] if only else [root]
    seen: set[Path] = set()
    for start in starts:
        for path, size in _walk(start, ()):
            relative = path.relative_to(root)
            if relative not in seen:
                seen.add(relative)
                yield relative, size


def _walk(path: Path, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[Path, int]]:
    found = path.stat()
    identity = (found.st_dev, found.st_ino)
    if not path.is_dir():
        yield path, found.st_size
    elif identity not in above:  # a link to a folder above would never end
        for entry in sorted(path.iterdir()):
            yield from _walk(entry, (*above, identity))


def _renew(source: Path, target: Path) -> None:
    """Copy a file, or what is in a folder, where the target lacks it or has another version of it.

    Raises:
        RunError: It cannot be copied.
    """
    try:
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            for entry in sorted(source.iterdir()):
                if not entry.name.startswith(".tmp-"):
                    _renew(entry, target / entry.name)
        elif source.exists() and not _is_same(source, target):
            _copy_whole(source, target)
    except FileNotFoundError:
        return  # renamed or removed by the task meanwhile
    except OSError as error:
        raise RunError(f"{error.filename or target}: cannot be copied from {source}: {error.strerror}") from None


def _is_same(source: Path, target: Path) -> bool:
    try:
        one, other = source.stat(), target.stat()
    except OSError:
        return False
    # Not every file system keeps the last digits of a time.
    return one.st_size == other.st_size and abs(one.st_mtime - other.st_mtime) < 1e-3


def _copy_whole(source: Path, target: Path) -> None:
    draft = target.with_name(f".tmp-{secrets.token_hex(6)}")
    try:
        shutil.copyfile(source, draft)
        shutil.copystat(source, draft)
        os.replace(draft, target)  # noqa: PTH105 - the same call
    finally:
        draft.unlink(missing_ok=True)
