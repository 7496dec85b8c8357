"""One set of daemons for all test processes: the first starts them, the last stops them.

Who uses a cluster holds a shared lock; who gets it alone on leaving is the last. Started by hand, they are kept.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.clusters.cluster import Cluster


def keep(cluster: Cluster, *, kept: bool) -> None:
    """Say whether the daemons stay when the last test has ended."""
    marker = cluster.account.base / f"{cluster.name}.kept"
    if kept:
        marker.touch()
    else:
        marker.unlink(missing_ok=True)


# Clusters that this process uses, and how often: a fixture that several modules import is made for each of them.
_used: Counter[str] = Counter()


@contextlib.contextmanager
def shared(cluster: Cluster) -> Iterator[Cluster]:
    """Use a cluster, together with other processes."""
    path = cluster.account.base / f"{cluster.name}.lock"
    _used[str(path)] += 1
    try:
        if _used[str(path)] > 1:
            yield cluster
        else:
            with _held(cluster, path):
                yield cluster
    finally:
        _used[str(path)] -= 1


@contextlib.contextmanager
def _held(cluster: Cluster, path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        # Shared first: nobody waits for others who use it as well.
        fcntl.flock(lock, fcntl.LOCK_SH)
        while not cluster.is_up():
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not cluster.is_up():
                cluster.up()
            # Between the two locks somebody may stop it.
            fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not path.with_suffix(".kept").exists():
                    cluster.down()
