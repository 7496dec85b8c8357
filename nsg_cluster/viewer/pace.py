"""How large pictures may be: small enough to follow a moving hand at first, then larger and larger."""

from __future__ import annotations

import math
from collections.abc import Iterator

__all__ = ["heights"]

SMALLEST_PX = 24
AT_ONCE_S = 0.12
"""The first picture after a movement may take so long."""


def heights(*, largest_px: int, aspect: float, rays_per_s: float | None) -> Iterator[int]:
    """Yield the heights of the pictures of one view, each twice as high as the one before.

    Args:
        largest_px: Height of the last one.
        aspect: Width over height.
        rays_per_s: How fast pictures are made; None where it is not known yet.
    """
    rays = AT_ONCE_S * rays_per_s if rays_per_s else 0.0
    height = max(SMALLEST_PX, int(math.sqrt(rays / max(aspect, 1e-3))))
    while height < largest_px:
        yield height
        height *= 2
    yield largest_px
