"""Encodings, hash grids and networks: position and direction to density and color."""
