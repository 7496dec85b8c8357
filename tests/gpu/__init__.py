"""Tests that need a CUDA device: the kernels against the definitions."""
