"""Schedulers for the tests of the executors."""

from tests.clusters.fixtures import cluster, clusters, gridengine, once, pbs, slurm

__all__ = ["cluster", "clusters", "gridengine", "once", "pbs", "slurm"]
