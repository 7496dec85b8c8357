"""Resampling of rays."""

from __future__ import annotations

import torch

from nsg_cluster.sampling.importance import resample, resample_dilated


def histogram() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.linspace(0, 1, 11).expand(2, 11), torch.full((2, 10), 0.1)


def test_equal_weights_give_equal_intervals_over_the_whole_ray() -> None:
    edges = resample(*histogram(), 4)
    assert torch.allclose(edges, torch.linspace(0, 1, 5).expand(2, 5), atol=1e-6)
    assert torch.equal(resample(*histogram(), 1), torch.tensor([[0.0, 1.0]] * 2))


def test_places_follow_the_weight_and_move_with_the_jitter() -> None:
    edges, weights = histogram()
    weights = torch.where(torch.arange(10) == 3, 1.0, 0.0).expand(2, 10)
    found = resample(edges, weights, 50, jitter=torch.tensor([0.0, 0.9]))
    assert ((found > 0.29) & (found < 0.41)).all()
    assert torch.allclose(found[1, 1:-1] - found[0, 1:-1], torch.full((49,), 0.9 * 0.1 / 50), atol=1e-5)
    assert (found.diff(dim=1) >= 0).all()


def test_an_exponent_of_zero_forgets_the_weights() -> None:
    edges, _ = histogram()
    weights = torch.rand(2, 10, generator=torch.Generator().manual_seed(0))
    flat = resample_dilated(edges, weights, 5, dilation=0.0, padding=0.0, exponent=0.0)
    assert torch.allclose(flat, torch.linspace(0, 1, 6).expand(2, 6), atol=1e-6)


def test_widening_finds_what_lies_beside_a_proposal_and_padding_what_lies_anywhere() -> None:
    edges = torch.linspace(0, 1, 11)[None]
    weights = torch.where(torch.arange(10) == 3, 1.0, 0.0)[None]
    wide = resample_dilated(edges, weights, 100, dilation=0.1, padding=0.0, exponent=1.0)
    assert 0.2 <= wide.min() < 0.22 and 0.48 < wide.max() <= 0.5
    padded = resample_dilated(edges, weights, 100, dilation=0.0, padding=0.05, exponent=1.0)
    assert padded.min() < 0.1 and padded.max() > 0.9
    assert ((padded > 0.3) & (padded < 0.4)).sum() > 50
