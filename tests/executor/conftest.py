"""Schedulers for the tests of the executors."""

from tests.clusters.fixtures import cluster, clusters, gridengine, once, pbs, slurm
from tests.contract.cluster import users

__all__ = ["cluster", "clusters", "gridengine", "once", "pbs", "slurm", "users"]
