"""Drives: moments of a moving car's cameras, and objects that stand somewhere else at each."""
