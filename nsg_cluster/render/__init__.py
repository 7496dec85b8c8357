"""Densities and colors along rays to pixels and images."""
