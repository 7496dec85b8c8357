"""Schedulers for tests: ask for ``slurm``, ``gridengine``, ``pbs``, or ``cluster`` for each of them in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clusters.account import Unavailable, ordinary_account
from tests.clusters.cluster import Cluster
from tests.clusters.gridengine import GridEngineCluster
from tests.clusters.packages import unpacked
from tests.clusters.pbs import FakePbs, HostPbs, host_has_pbs
from tests.clusters.sharing import shared
from tests.clusters.slurm import SlurmCluster

__all__ = ["cluster", "gridengine", "pbs", "slurm"]


def _used(kind: type[Cluster]) -> Iterator[Cluster]:
    with ExitStack() as stack:
        try:
            account = ordinary_account()
            packages = Path() if kind in {FakePbs, HostPbs} else unpacked(account)
            found = stack.enter_context(shared(kind(account, packages)))
        except Unavailable as error:
            pytest.skip(f"missing here: {error}")
        yield found


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    """Return a real Slurm."""
    yield from _used(SlurmCluster)


@pytest.fixture(scope="session")
def gridengine() -> Iterator[Cluster]:
    """Return a real Grid Engine."""
    yield from _used(GridEngineCluster)


@pytest.fixture(scope="session", params=[FakePbs, HostPbs], ids=["fake", "real"])
def pbs(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Return the fake PBS, and the real one where this machine has one."""
    if request.param is HostPbs and not host_has_pbs():
        pytest.skip("missing here: a qsub whose --version says pbs")
    yield from _used(request.param)


@pytest.fixture(params=["gridengine", "slurm", "pbs"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Return each scheduler in turn."""
    found: Cluster = request.getfixturevalue(request.param)
    return found
