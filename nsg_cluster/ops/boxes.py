"""Rays through oriented boxes, many for each ray. Nothing here has a gradient."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import INDICES, Arguments
from nsg_cluster.ops.reference import boxes as reference

__all__ = ["intersect_boxes"]


def intersect_boxes(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    world_to_box: Float[Tensor, "boxes 3 4"],
    candidates: Int[Tensor, "rays slots"],
) -> tuple[Float[Tensor, "rays slots"], Float[Tensor, "rays slots"]]:
    """Return where rays enter and leave boxes that each have a frame of their own.

    Args:
        origins: Where rays begin; inside a box the entry is 0.
        directions: Along rays; any length.
        world_to_box: Affine maps under which each box becomes the cube from -1 to 1.
        candidates: Boxes that each ray is tried against, by their index; -1 for an empty slot.

    Returns:
        Entry and exit in multiples of the direction; both 0 where a box is missed or the slot is empty.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, or (found on the CPU alone) a candidate is no box.
    """
    arguments = Arguments("intersect_boxes")
    arguments.check("origins", origins, ("rays", 3))
    arguments.check("directions", directions, ("rays", 3))
    arguments.check("world_to_box", world_to_box, ("boxes", 3, 4))
    arguments.check("candidates", candidates, ("rays", "slots"), INDICES)
    arguments.check_indices("candidates", candidates, lowest=-1, end=len(world_to_box))
    kernels = library.kernels(origins)
    with torch.no_grad():
        if kernels is None:
            return reference.intersect_boxes(origins, directions, world_to_box, candidates)
        near, far = origins.new_empty(2, *candidates.shape).unbind(0)
        plain = [tensor.detach().contiguous() for tensor in (origins, directions, world_to_box, candidates)]
        kernels.intersect_boxes(*plain, near, far)
        return near, far
