"""Benchmarks: ratios against a reference measured in the same process, in CPU-seconds, medians. Not tests."""

import os

# Read when torch is loaded, and what a training sets too: threads that wait for work shall sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
