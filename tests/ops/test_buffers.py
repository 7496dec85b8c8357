"""Tensors of zeros that are used again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch

from nsg_cluster.ops.buffers import keep_zeros, take_zeros

PROBE = """
import resource, torch
from nsg_cluster.ops.buffers import keep_freed_memory
assert keep_freed_memory()
faults = []
for _ in range(30):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(1 << 20)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(faults)
assert faults[0] >= 1024
assert max(faults[20:]) < 100
"""


def test_kept_zeros_are_handed_out_once_and_to_their_like_alone() -> None:
    like = torch.ones(3, 41)
    kept = torch.zeros(3, 41)
    keep_zeros(kept)
    assert take_zeros(torch.ones(41, 3)).data_ptr() != kept.data_ptr()
    assert take_zeros(like.double()).dtype == torch.float64
    assert take_zeros(like).data_ptr() == kept.data_ptr()
    other = take_zeros(like)
    assert other.data_ptr() != kept.data_ptr()
    assert torch.equal(other, torch.zeros(3, 41))


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or "libasan" in os.environ.get("LD_PRELOAD", ""),
    reason="memory is not allocated by glibc",
)
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    subprocess.run([sys.executable, "-c", PROBE], check=True, timeout=60)
