"""A lock on a folder: at most one process writes there.

The lock belongs to the open file, so the system gives it back when its holder ends, however it ends. Only a file
server that has lost sight of a node keeps the lock of a process that is gone: whoever may hold one for long touches
its file every now and then, and whoever waits can tell.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.logs import printable
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.core.units import format_duration

__all__ = ["in_turn", "locked"]

log = logging.getLogger(__name__)
POLL_S = 0.1
TURN_POLL_S = 0.5
TRIES = 5
# Other nodes see the time of a file late: they keep what they were told for up to a minute.
SIGN_OF_LIFE_S = 20.0
SILENCE_S = 600.0
# Some network file systems (Lustre mounted without `flock`) have no locks.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}


@contextlib.contextmanager
def locked(path: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file ``path``.

    Args:
        path: The file; its folder exists.
        wait_s: Seconds to wait for another holder, who may be about to end.

    Raises:
        RunError: Another process holds it, or the file cannot be opened.
    """
    deadline = time.monotonic() + wait_s
    with _open(path) as file:
        while not _taken(file):
            if time.monotonic() >= deadline:
                raise RunError(f"{path.parent}: is in use by {_holder(file)}; wait for it to end, or cancel it")
            time.sleep(POLL_S)
        _sign(file)
        yield


@contextlib.contextmanager
def in_turn(path: Path, *, stop: StopSignal, say: Callable[[str], None]) -> Iterator[bool]:
    """Hold the lock file ``path`` as soon as nobody else does; whether it came to that is what is yielded.

    However long it takes: another process may do just what this one is about to do. The file is taken away at the end,
    and its folder made anew where the process before has removed it.

    Args:
        path: The file.
        stop: Requests to wait no longer.
        say: Told who holds the lock, once for each holder.

    Raises:
        RunError: The holder shows no sign of life, or the folder cannot be written.
    """
    watch = _Watch(path, say)
    while stop.requested is None:
        with _open_in_new_folder(path) as file:
            # Whoever held the lock may have taken this file away, and another lies there now.
            if not _taken(file):
                watch.look(file)
            elif _lies_at(path, file):
                try:
                    with _signs_of_life(file):
                        yield True
                finally:
                    if _lies_at(path, file):
                        path.unlink(missing_ok=True)
                return
        time.sleep(TURN_POLL_S)
    yield False


def _open(path: Path) -> IO[str]:
    try:
        # Never truncated here: the words of the holder stay until the lock is ours.
        return path.open("a+")
    except OSError as error:
        raise RunError(f"{printable(str(path))}: cannot be opened: {error.strerror}") from None


def _open_in_new_folder(path: Path) -> IO[str]:
    """Open a lock file in a folder that others make and remove.

    Raises:
        RunError: The folder cannot be written.
    """
    tries = 0
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("a+")
        except OSError as error:
            tries += 1
            # Between the two others may have removed it, but not time and again.
            if not isinstance(error, FileNotFoundError) or tries == TRIES:
                folder = printable(str(path.parent))
                raise RunError(f"{folder}: cannot be written: {error.strerror}; choose another folder") from None
        time.sleep(POLL_S)


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        log.warning("%s: this file system has no locks, so nothing stops a second process from writing here", file.name)
    return True


def _lies_at(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _sign(file: IO[str]) -> None:
    file.truncate(0)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    file.write(f"process {os.getpid()} on {os.uname().nodename} since {since} UTC")
    file.flush()


@contextlib.contextmanager
def _signs_of_life(file: IO[str]) -> Iterator[None]:
    """Sign a lock file, and touch it as long as this process lives."""
    over = threading.Event()

    def touch() -> None:
        while not over.wait(SIGN_OF_LIFE_S):
            # A disk that is full or away for a while is met by what writes the results.
            with contextlib.suppress(OSError):
                os.utime(file.fileno())

    _sign(file)
    thread = threading.Thread(target=touch, name="lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return printable(file.read(200)) or "another process"


class _Watch:
    """Looks at the holder of a lock, by the own clock: those of two machines may differ."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._path, self._say = path, say
        self._folder = printable(str(path.parent))
        self._holder, self._touched, self._told = "", 0, False
        self._since = time.monotonic()

    def look(self, file: IO[str]) -> None:
        """Say who holds it.

        Raises:
            RunError: It has shown no sign of life for too long.
        """
        now, holder, touched = time.monotonic(), _holder(file), os.fstat(file.fileno()).st_mtime_ns
        if holder != self._holder:
            self._told = False
        elif not self._told:
            self._say(f"{self._folder}: is in use by {holder}; waiting for it to end")
            self._told = True
        if (holder, touched) != (self._holder, self._touched):
            self._holder, self._touched, self._since = holder, touched, now
        elif now - self._since > SILENCE_S:
            raise RunError(
                f"{self._folder}: is in use by {holder}, which has shown no sign of life for "
                f"{format_duration(SILENCE_S)}; if it is gone, this frees the folder: rm {shlex.quote(str(self._path))}"
            )
