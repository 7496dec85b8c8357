"""Whether this machine can run the CUDA kernels, and the marks of a test that needs them."""

from __future__ import annotations

import pytest
import torch

from nsg_cluster.ops.library import describe

__all__ = ["NEEDS_GPU", "poison", "why_not"]


def why_not() -> str | None:
    """Return what is missing, or None."""
    if not torch.cuda.is_available():
        return "PyTorch sees no CUDA device"
    if "compiled" not in describe()["cuda"]:
        return "nsg_kernels was built without CUDA kernels"
    return None


_missing = why_not()
NEEDS_GPU = [pytest.mark.gpu, pytest.mark.skipif(_missing is not None, reason=str(_missing))]


def poison() -> None:
    """Fill memory that is about to be handed out again with NaN, so that whatever stays unwritten shows."""
    blocks = [
        torch.full((1 << log2_size,), torch.nan, device="cuda") for log2_size in range(8, 25, 2) for _ in range(4)
    ]
    del blocks
