"""The contract on real Slurm and Grid Engine, on a fake PBS, and on a real one where this machine has one."""

from __future__ import annotations

from tests.contract.cluster import ClusterContract


class TestSlurm(ClusterContract):
    """Slurm with accounts."""

    kind = "slurm"
    forbidden = "\\"


class TestGridEngine(ClusterContract):
    """Grid Engine with ABCI's resource types."""

    kind = "gridengine"
    forbidden = "$,\n"


class TestFakePbs(ClusterContract):
    """PBS as recorded answers have it."""

    kind = "fake-pbs"
    forbidden = ":,\n"


class TestRealPbs(TestFakePbs):
    """PBS itself."""

    kind = "real-pbs"
