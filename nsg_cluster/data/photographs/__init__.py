"""Formats of photographs with their cameras; each module reads one into a ``Scene``."""
