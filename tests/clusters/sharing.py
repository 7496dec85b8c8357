"""One set of daemons for all test processes: the first starts them, the last stops them.

Who uses a cluster holds a shared lock; who gets it alone on leaving is the last. Started by hand, they are kept.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator

from tests.clusters.cluster import Cluster


def keep(cluster: Cluster, *, kept: bool) -> None:
    """Say whether the daemons stay when the last test has ended."""
    marker = cluster.account.base / f"{cluster.name}.kept"
    if kept:
        marker.touch()
    else:
        marker.unlink(missing_ok=True)


@contextlib.contextmanager
def shared(cluster: Cluster) -> Iterator[Cluster]:
    """Use a cluster, together with other processes."""
    base = cluster.account.base
    with (base / f"{cluster.name}.lock").open("a") as lock:
        while True:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not cluster.is_up():
                cluster.up()
            # Between the two locks somebody may stop it.
            fcntl.flock(lock, fcntl.LOCK_SH)
            if cluster.is_up():
                break
        try:
            yield cluster
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not (base / f"{cluster.name}.kept").exists():
                    cluster.down()
