"""Memory that is used again and again.

The gradient of a hash table is as large as the table, and mostly zero. To get the memory from the system and to clear
it takes longer than to fill it; so whoever clears it anyway hands it back, and the next one takes it as it is.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

__all__ = ["keep_freed_memory", "keep_zeros", "take_zeros"]

# Parameters of glibc's mallopt: above which size memory is mapped anew for each allocation, and how much of it may lie
# unused at the top of the heap before it is given back.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

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


def keep_freed_memory() -> bool:
    """Let the whole process keep the memory that it frees, for the next who allocates; return whether it will.

    A training step on a CPU frees and allocates the same tensors of many megabytes. To get them from the system each
    time, page by page and cleared, takes up to a quarter of the step. The price: the process holds all that it ever
    needed at once, and what lies between. Only glibc is known to obey.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))
