"""Rotation vectors."""

from __future__ import annotations

import torch

from nsg_cluster.geometry.rotations import rotated


def skew(w: torch.Tensor) -> torch.Tensor:
    x, y, z = w.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).view(-1, 3, 3)


def test_turning_is_the_exponential_of_the_cross_product() -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor([0.0, 1e-9, 1e-4, 0.009, 0.011, 0.3, 3.0, 7.0], dtype=torch.float64)
    axes = torch.nn.functional.normalize(torch.randn(8, 3, generator=generator, dtype=torch.float64))
    turns, vectors = axes * sizes[:, None], torch.randn(8, 3, generator=generator, dtype=torch.float64)
    expected = torch.einsum("nij,nj->ni", torch.matrix_exp(skew(turns)), vectors)
    assert torch.allclose(rotated(vectors, turns), expected, atol=1e-9)


def test_the_gradient_is_right_where_nothing_is_turned() -> None:
    vectors = torch.tensor([[1.0, 2, 3]] * 3, dtype=torch.float64, requires_grad=True)
    turns = torch.tensor([[0.0, 0, 0], [1e-3, 0, 0], [0.5, -0.2, 0.1]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotated, (vectors, turns), eps=1e-7)
