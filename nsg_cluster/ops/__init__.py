"""Numerical kernels: each defined in plain PyTorch, and compiled for CPU and CUDA where possible."""
