"""Datasets: every loader turns one format into a ``Scene``."""
