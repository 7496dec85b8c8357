"""Containers: from a Dockerfile to a Singularity definition, to an image, to programs that run in it."""
