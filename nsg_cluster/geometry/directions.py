"""Directions spread evenly over the sphere, of which opposite ones count once: the axes of an off-axis encoding.

Source: mip-NeRF 360, https://arxiv.org/abs/2111.12077, supplement: corners of an icosahedron whose faces are divided.
"""

from __future__ import annotations

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["axes", "icosahedral_axes"]

SAME = 1e-6


def axes() -> Float[Tensor, "3 3"]:
    """Return the axes of the coordinates."""
    return torch.eye(3)


def icosahedral_axes(divisions: int = 2) -> Float[Tensor, "directions 3"]:
    """Return unit vectors: 6 for undivided faces, 21 for edges divided in two, 46 in three.

    Args:
        divisions: Parts of each edge of the icosahedron.
    """
    corners = _icosahedron()
    edge = min(float((a - b).norm()) for a, b in itertools.combinations(corners, 2))
    faces = [
        face
        for face in itertools.combinations(corners, 3)
        if all(math.isclose(float((a - b).norm()), edge, rel_tol=1e-6) for a, b in itertools.combinations(face, 2))
    ]
    kept: list[Tensor] = []
    for face, (i, j) in itertools.product(faces, itertools.product(range(divisions + 1), repeat=2)):
        if i + j <= divisions:
            point = (i * face[0] + j * face[1] + (divisions - i - j) * face[2]) / divisions
            point = point / point.norm()
            if all(1 - abs(float(point @ other)) > SAME for other in kept):
                kept.append(point)
    return torch.stack(kept).float()


def _icosahedron() -> Float[Tensor, "12 3"]:
    """Return the corners of an icosahedron on the unit sphere: those of three golden rectangles."""
    golden = (1 + math.sqrt(5)) / 2
    corners = [
        torch.tensor([0.0, a, b * golden], dtype=torch.float64).roll(turn)
        for turn in range(3)
        for a, b in itertools.product((-1.0, 1.0), repeat=2)
    ]
    return torch.nn.functional.normalize(torch.stack(corners), dim=1)
