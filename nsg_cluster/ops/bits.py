"""Morton codes and packed bits.

A Morton code interleaves the bits of a cell's indices: x in the lowest bit, then y, then z. Bit ``i`` of a packed
field is bit ``i % 8`` (lowest first) of byte ``i // 8``.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import Arguments
from nsg_cluster.ops.reference import bits as reference

__all__ = ["morton_decode", "morton_encode", "pack_bits", "unpack_bits"]


def morton_encode(cells: Int[Tensor, "cells 3"]) -> Int[Tensor, " cells"]:
    """Interleave the bits of cell indices (0 to 2^21 - 1): x lowest, then y, then z.

    Raises:
        TypeError: The tensor has a wrong dtype.
        ValueError: The tensor has a wrong shape.
    """
    Arguments("morton_encode").check("cells", cells, ("cells", 3), (torch.int64,))
    kernels = library.kernels(cells)
    if kernels is None:
        return reference.morton_encode(cells)
    codes = cells.new_empty(len(cells))
    kernels.morton_encode(cells.contiguous(), codes)
    return codes


def morton_decode(codes: Int[Tensor, " cells"]) -> Int[Tensor, "cells 3"]:
    """Return the cell indices of Morton codes; the inverse of ``morton_encode``.

    Raises:
        TypeError: The tensor has a wrong dtype.
        ValueError: The tensor has a wrong shape.
    """
    Arguments("morton_decode").check("codes", codes, ("cells",), (torch.int64,))
    kernels = library.kernels(codes)
    if kernels is None:
        return reference.morton_decode(codes)
    cells = codes.new_empty(len(codes), 3)
    kernels.morton_decode(codes.contiguous(), cells)
    return cells


def pack_bits(flags: Bool[Tensor, " flags"]) -> UInt8[Tensor, " bytes"]:
    """Pack eight flags into a byte, the first into the lowest bit.

    Raises:
        TypeError: The tensor has a wrong dtype.
        ValueError: The tensor has a wrong shape, or its length is no multiple of 8.
    """
    arguments = Arguments("pack_bits")
    arguments.check("flags", flags, ("flags",), (torch.bool,))
    arguments.require("the number of flags", len(flags), allowed="a multiple of 8", fits=len(flags) % 8 == 0)
    kernels = library.kernels(flags)
    if kernels is None:
        return reference.pack_bits(flags)
    packed = torch.empty(len(flags) // 8, dtype=torch.uint8, device=flags.device)
    kernels.pack_bits(flags.contiguous(), packed)
    return packed


def unpack_bits(packed: UInt8[Tensor, " bytes"]) -> Bool[Tensor, " flags"]:
    """Return eight flags for each byte; the inverse of ``pack_bits``.

    Raises:
        TypeError: The tensor has a wrong dtype.
        ValueError: The tensor has a wrong shape.
    """
    Arguments("unpack_bits").check("packed", packed, ("bytes",), (torch.uint8,))
    kernels = library.kernels(packed)
    if kernels is None:
        return reference.unpack_bits(packed)
    flags = torch.empty(8 * len(packed), dtype=torch.bool, device=packed.device)
    kernels.unpack_bits(packed.contiguous(), flags)
    return flags
