"""The hash grid as a module; its arithmetic is tested with the ops."""

from __future__ import annotations

import torch

from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.ops.encode import HashGridLayout

LAYOUT = HashGridLayout(levels=3, features=2, log2_table_size=8, base_resolution=4, max_resolution=16)


def test_features_start_small_and_different_and_are_trained() -> None:
    torch.manual_seed(0)
    grid = HashGrid(LAYOUT)
    points = torch.rand(50, 3)
    encoded = grid(points)
    assert encoded.shape == (50, grid.num_outputs) == (50, 6)
    assert 0 < encoded.abs().max() <= 1e-4
    assert len(torch.unique(grid.table)) > 0.9 * grid.table.numel()
    encoded.sum().backward()
    assert grid.table.grad is not None
    # The eight corners of a point share a weight of 1 on each level.
    assert torch.allclose(grid.table.grad.sum(0), torch.full((2,), 150.0), rtol=1e-4)
