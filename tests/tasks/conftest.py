"""Schedulers for the tests of what a job finds at its node."""

from tests.clusters.fixtures import cluster, clusters
from tests.contract.cluster import users

__all__ = ["cluster", "clusters", "users"]
