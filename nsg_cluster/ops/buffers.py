"""Large tensors of zeros that are used again and again.

The gradient of a hash table is as large as the table, and mostly zero. To get the memory from the system and to clear
it takes longer than to fill it; so whoever clears it anyway hands it back, and the next one takes it as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["keep_zeros", "take_zeros"]

_Key = tuple[torch.device, torch.dtype, torch.Size]

_kept: dict[_Key, Tensor] = {}


def _key(tensor: Tensor) -> _Key:
    return tensor.device, tensor.dtype, tensor.shape


def take_zeros(like: Tensor) -> Tensor:
    """Return zeros of the shape, dtype and device of a tensor; they belong to the caller."""
    zeros = _kept.pop(_key(like), None)
    return torch.zeros_like(like, memory_format=torch.contiguous_format) if zeros is None else zeros


def keep_zeros(zeros: Tensor) -> None:
    """Keep a contiguous tensor of zeros for the next who needs one; the caller uses it no longer."""
    _kept[_key(zeros)] = zeros
