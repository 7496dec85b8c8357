"""Morton codes and packed bits, in plain PyTorch.

A Morton code interleaves the bits of a cell's indices: x in the lowest bit, then y, then z. Bit ``i`` of a packed
field is bit ``i % 8`` (lowest first) of byte ``i // 8``.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

__all__ = ["morton_decode", "morton_encode", "pack_bits", "unpack_bits"]

# Shifts and masks that move the 21 low bits of a word to every third place, and back.
_SPREAD = (
    (32, 0x001F00000000FFFF),
    (16, 0x001F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)


def _spread(x: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    for shift, mask in _SPREAD:
        x = (x | (x << shift)) & mask
    return x


def _gather(x: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    x = x & _SPREAD[-1][1]
    masks = [mask for _, mask in _SPREAD[-2::-1]] + [0x1FFFFF]
    for (shift, _), mask in zip(_SPREAD[::-1], masks, strict=True):
        x = (x | (x >> shift)) & mask
    return x


def morton_encode(cells: Int[Tensor, "n 3"]) -> Int[Tensor, " n"]:
    """Interleave the bits of cell indices (0 to 2^21 - 1): x lowest, then y, then z."""
    x, y, z = _spread(cells.long()).unbind(1)
    return x | (y << 1) | (z << 2)


def morton_decode(codes: Int[Tensor, " n"]) -> Int[Tensor, "n 3"]:
    """Return the cell indices of Morton codes; the inverse of ``morton_encode``."""
    return _gather(torch.stack((codes, codes >> 1, codes >> 2), dim=1).long())


def pack_bits(flags: Bool[Tensor, " m"]) -> UInt8[Tensor, " bytes"]:
    """Pack eight flags into a byte, the first into the lowest bit."""
    places = 2 ** torch.arange(8, dtype=torch.uint8, device=flags.device)
    return (flags.view(-1, 8) * places).sum(1, dtype=torch.uint8)


def unpack_bits(packed: UInt8[Tensor, " bytes"]) -> Bool[Tensor, " m"]:
    """Return eight flags for each byte; the inverse of ``pack_bits``."""
    places = 2 ** torch.arange(8, dtype=torch.uint8, device=packed.device)
    return ((packed[:, None] & places) != 0).view(-1)
