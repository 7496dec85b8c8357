"""Tensors of zeros that are used again."""

from __future__ import annotations

import torch

from nsg_cluster.ops.buffers import keep_zeros, take_zeros


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
