"""A lock on a folder: at most one process writes there.

The lock belongs to the open file, so the system gives it back when its holder ends, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from nsg_cluster.core.errors import RunError

__all__ = ["locked"]

log = logging.getLogger(__name__)
POLL_S = 0.1
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
    try:
        # Never truncated here: the words of the holder stay until the lock is ours.
        file = path.open("a+")
    except OSError as error:
        raise RunError(f"{path}: cannot be opened: {error.strerror}") from None
    with file:
        deadline = time.monotonic() + wait_s
        while not _taken(file):
            if time.monotonic() >= deadline:
                raise RunError(f"{path.parent}: is in use by {_holder(file)}; wait for it to end, or cancel it")
            time.sleep(POLL_S)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}")
        file.flush()
        yield


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


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read(200) or "another process"
