"""Rays through oriented boxes, in plain PyTorch."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["intersect_boxes"]


def intersect_boxes(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    world_to_box: Float[Tensor, "boxes 3 4"],
    candidates: Int[Tensor, "rays slots"],
) -> tuple[Float[Tensor, "rays slots"], Float[Tensor, "rays slots"]]:
    """Return where rays enter and leave boxes that each have a frame of their own (the slab test).

    Args:
        origins: Where rays begin; inside a box the entry is 0.
        directions: Along rays; any length.
        world_to_box: Affine maps under which each box becomes the cube from -1 to 1.
        candidates: Boxes that each ray is tried against; -1 for none.

    Returns:
        Entry and exit in multiples of the direction; both 0 where a box is missed or the slot is empty.
    """
    # The candidate -1 takes the last map, which belongs to no box.
    maps = torch.cat([world_to_box, world_to_box.new_zeros(1, 3, 4)])[candidates]
    start = torch.einsum("rsij,rj->rsi", maps[..., :3], origins) + maps[..., 3]
    along = torch.einsum("rsij,rj->rsi", maps[..., :3], directions)
    lower, upper = (-1 - start) / along, (1 - start) / along
    near = torch.fmin(lower, upper).amax(-1).clamp_min(0)
    far = torch.fmax(lower, upper).amin(-1)
    is_hit = (near < far) & (candidates >= 0)
    return torch.where(is_hit, near, 0.0), torch.where(is_hit, far, 0.0)
