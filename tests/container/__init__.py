"""Tests of `nsg_cluster.container`."""
