"""Rays, cameras, poses and boxes. Plain tensors; no configuration objects."""
