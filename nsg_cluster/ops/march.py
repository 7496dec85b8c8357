"""Rays through boxes and occupancy grids.

Cells of a grid are stored as packed bits in Morton order, cascade after cascade; cascade 0 is the box itself, cascade
``c`` the box scaled by ``2^c`` about its center.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from nsg_cluster.ops.arguments import Arguments
from nsg_cluster.ops.reference import bits as reference_bits
from nsg_cluster.ops.reference import march as reference

__all__ = ["intersect_box", "march_occupancy", "morton_decode", "morton_encode", "pack_bits", "unpack_bits"]


def intersect_box(
    origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], box: Float[Tensor, "2 3"]
) -> tuple[Float[Tensor, " rays"], Float[Tensor, " rays"]]:
    """Return where rays enter and leave an axis-aligned box, in multiples of their direction.

    Args:
        origins: Where rays begin; inside the box the entry is 0.
        directions: Along rays; any length.
        box: Lowest and highest corner.

    Returns:
        Entry and exit; both are 0 where the box is missed.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device.
    """
    arguments = Arguments("intersect_box")
    arguments.check("origins", origins, ("rays", 3))
    arguments.check("directions", directions, ("rays", 3))
    arguments.check("box", box, (2, 3))
    with torch.no_grad():
        return reference.intersect_box(origins, directions, box)


def march_occupancy(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, " rays"],
    far: Float[Tensor, " rays"],
    *,
    occupied: UInt8[Tensor, " bytes"],
    resolution: int,
    cascades: int,
    box: Float[Tensor, "2 3"],
    step_min: float,
    step_max: float,
    cone_angle: float,
    jitter: Float[Tensor, " rays"] | None = None,
) -> tuple[
    Float[Tensor, " samples"], Float[Tensor, " samples"], Int[Tensor, " samples"], Int[Tensor, " rays_plus_one"]
]:
    """Keep the intervals of each ray whose midpoint lies before ``far`` and in an occupied cell.

    Intervals follow one another from ``near``, each ``cone_angle`` times its distance long, kept within the limits;
    the grid does not move them. The cell is that of the finest cascade which contains the midpoint and whose cells are
    no smaller than the interval.

    Args:
        origins: Where rays begin.
        directions: Along rays, unit length.
        near: Where the first interval may begin.
        far: Where intervals end; ``near`` or less for a ray without samples.
        occupied: Packed bits of the cells.
        resolution: Cells along a side of each cascade, a power of two.
        cascades: Number of cascades, 1 to 8.
        box: Lowest and highest corner of cascade 0.
        step_min: Shortest interval.
        step_max: Longest interval.
        cone_angle: Growth of the intervals with distance; 0 for intervals of length ``step_min``.
        jitter: Shift of the first place of each ray, in intervals, 0 to 1; none at all by default.

    Returns:
        Start, end and ray of each interval in ray order; and the first interval of each ray, with the total at the end.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, or a number is out of range.
    """
    arguments = Arguments("march_occupancy")
    arguments.check("origins", origins, ("rays", 3))
    arguments.check("directions", directions, ("rays", 3))
    arguments.check("near", near, ("rays",))
    arguments.check("far", far, ("rays",))
    arguments.check("box", box, (2, 3))
    _check_grid(arguments, occupied, resolution, cascades)
    arguments.require("step_min", step_min, allowed="more than 0", fits=step_min > 0)
    arguments.require("step_max", step_max, allowed=f"step_min={step_min} or more", fits=step_max >= step_min)
    arguments.require("cone_angle", cone_angle, allowed="0 or more", fits=cone_angle >= 0)
    if jitter is not None:
        arguments.check("jitter", jitter, ("rays",))
    with torch.no_grad():
        return reference.march_occupancy(
            origins,
            directions,
            near,
            far,
            occupied=occupied,
            resolution=resolution,
            cascades=cascades,
            box=box,
            step_min=step_min,
            step_max=step_max,
            cone_angle=cone_angle,
            jitter=jitter,
        )


def _check_grid(arguments: Arguments, occupied: Tensor, resolution: int, cascades: int) -> None:
    is_power = 2 <= resolution <= 512 and resolution & (resolution - 1) == 0
    arguments.require("resolution", resolution, allowed="a power of two from 2 to 512", fits=is_power)
    arguments.require("cascades", cascades, allowed="1 to 8", fits=1 <= cascades <= 8)
    arguments.check("occupied", occupied, (cascades * resolution**3 // 8,), (torch.uint8,))


def morton_encode(cells: Int[Tensor, "cells 3"]) -> Int[Tensor, " cells"]:
    """Interleave the bits of cell indices (0 to 2^21 - 1): x lowest, then y, then z.

    Raises:
        TypeError: The tensor has a wrong dtype.
        ValueError: The tensor has a wrong shape.
    """
    Arguments("morton_encode").check("cells", cells, ("cells", 3), (torch.int64,))
    return reference_bits.morton_encode(cells)


def morton_decode(codes: Int[Tensor, " cells"]) -> Int[Tensor, "cells 3"]:
    """Return the cell indices of Morton codes; the inverse of ``morton_encode``.

    Raises:
        TypeError: The tensor has a wrong dtype.
        ValueError: The tensor has a wrong shape.
    """
    Arguments("morton_decode").check("codes", codes, ("cells",), (torch.int64,))
    return reference_bits.morton_decode(codes)


def pack_bits(flags: Bool[Tensor, " flags"]) -> UInt8[Tensor, " bytes"]:
    """Pack eight flags into a byte, the first into the lowest bit.

    Raises:
        TypeError: The tensor has a wrong dtype.
        ValueError: The tensor has a wrong shape, or its length is no multiple of 8.
    """
    arguments = Arguments("pack_bits")
    arguments.check("flags", flags, ("flags",), (torch.bool,))
    arguments.require("the number of flags", len(flags), allowed="a multiple of 8", fits=len(flags) % 8 == 0)
    return reference_bits.pack_bits(flags)


def unpack_bits(packed: UInt8[Tensor, " bytes"]) -> Bool[Tensor, " flags"]:
    """Return eight flags for each byte; the inverse of ``pack_bits``.

    Raises:
        TypeError: The tensor has a wrong dtype.
        ValueError: The tensor has a wrong shape.
    """
    Arguments("unpack_bits").check("packed", packed, ("bytes",), (torch.uint8,))
    return reference_bits.unpack_bits(packed)
