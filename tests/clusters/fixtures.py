"""Schedulers for tests: ask for ``slurm``, ``gridengine`` or ``pbs``, or for ``cluster`` to have each in turn."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.clusters.account import Unavailable, ordinary_account
from tests.clusters.cluster import Cluster
from tests.clusters.gridengine import GridEngineCluster
from tests.clusters.packages import unpacked
from tests.clusters.pbs import FakePbs, HostPbs, host_has_pbs
from tests.clusters.sharing import shared
from tests.clusters.slurm import SlurmCluster

__all__ = ["cluster", "clusters", "gridengine", "once", "pbs", "slurm"]

KINDS: dict[str, type[Cluster]] = {
    "gridengine": GridEngineCluster,
    "slurm": SlurmCluster,
    "fake-pbs": FakePbs,
    "real-pbs": HostPbs,
}
Get = Callable[[str], Cluster]


@pytest.fixture(scope="session")
def clusters() -> Iterator[Get]:
    """Return what starts a scheduler on its first use; skip where this machine cannot have it."""
    found: dict[str, Cluster] = {}
    with ExitStack() as stack:

        def get(name: str) -> Cluster:
            if name == "real-pbs" and not host_has_pbs():
                pytest.skip("missing here: a qsub whose --version says pbs")
            if name not in found:
                try:
                    account = ordinary_account()
                    packages = Path() if "pbs" in name else unpacked(account)
                    found[name] = stack.enter_context(shared(KINDS[name](account, packages)))
                except Unavailable as error:
                    pytest.skip(f"missing here: {error}")
            return found[name]

        yield get


@pytest.fixture(scope="session")
def slurm(clusters: Get) -> Cluster:
    """Return a real Slurm."""
    return clusters("slurm")


@pytest.fixture(scope="session")
def gridengine(clusters: Get) -> Cluster:
    """Return a real Grid Engine."""
    return clusters("gridengine")


@pytest.fixture(scope="session", params=["fake-pbs", "real-pbs"])
def pbs(request: pytest.FixtureRequest, clusters: Get) -> Cluster:
    """Return the fake PBS, and the real one where this machine has one."""
    return clusters(request.param)


@pytest.fixture(scope="session", params=list(KINDS))
def cluster(request: pytest.FixtureRequest, clusters: Get) -> Cluster:
    """Return each scheduler in turn."""
    return clusters(request.param)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[], Any]], Any]:
    """Return what does something that takes long once for all test processes: a name and a function that gives JSON."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def get(name: str, make: Callable[[], Any]) -> Any:
        with (folder / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = folder / f"{name}.json"
            if not path.exists():
                path.write_text(json.dumps(make()))
            return json.loads(path.read_text())

    return get
