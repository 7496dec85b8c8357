"""Benchmarks: ratios against a reference measured in the same process, in CPU-seconds, medians. Not tests."""
