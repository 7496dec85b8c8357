"""Histograms along rays: resampling, max-dilation, interlevel loss."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.histogram import dilate_histogram, interlevel_loss, sample_histogram
from nsg_cluster.ops.reference.histogram import interlevel_bound


def random_histogram(rays: int, bins: int, generator: Generator) -> tuple[Tensor, Tensor]:
    edges = torch.rand(rays, bins + 1, generator=generator).sort(1).values
    weights = torch.rand(rays, bins, generator=generator)
    return edges, torch.where(torch.rand(rays, bins, generator=generator) < 0.3, 0.0, weights)


def test_shares_are_inverted_by_hand(backend: str) -> None:
    edges, weights = torch.tensor([[0.0, 1, 2, 4]]), torch.tensor([[1.0, 0, 3]])
    shares = torch.tensor([[0.0, 0.125, 0.25, 0.625, 1.0]])
    # A quarter of the weight lies between 0 and 1, nothing up to 2, the rest between 2 and 4.
    torch.testing.assert_close(sample_histogram(edges, weights, shares), torch.tensor([[0.0, 0.5, 2.0, 3.0, 4.0]]))


def test_a_ray_without_weight_is_sampled_evenly(backend: str) -> None:
    edges, shares = torch.tensor([[0.0, 1, 3]]), torch.tensor([[0.25, 0.5, 0.75]])
    torch.testing.assert_close(sample_histogram(edges, torch.zeros(1, 2), shares), torch.tensor([[0.5, 1.0, 2.0]]))


def test_many_samples_reproduce_the_histogram(backend: str, generator: Generator) -> None:
    edges, weights = random_histogram(4, 16, generator)
    shares = ((torch.arange(20000) + 0.5) / 20000).expand(4, -1)
    distances = sample_histogram(edges, weights, shares)
    for ray in range(4):
        counts = torch.histogram(distances[ray], edges[ray].contiguous()).hist / 20000
        torch.testing.assert_close(counts, weights[ray] / weights[ray].sum(), rtol=0.0, atol=2e-4)


@pytest.mark.parametrize(("rays", "bins", "shares"), [(0, 4, 3), (1, 1, 1), (50, 64, 33), (3, 5, 0)])
def test_backends_agree_on_sampling(
    agree: Callable[..., None], generator: Generator, rays: int, bins: int, shares: int
) -> None:
    edges, weights = random_histogram(rays, bins, generator)
    unordered = torch.rand(rays, shares, generator=generator)
    agree(sample_histogram, (edges, weights, unordered), tolerance=1e-4)
    agree(sample_histogram, (edges, weights, unordered.sort(1).values), tolerance=1e-4)


def test_dilation_by_hand(backend: str) -> None:
    # Densities 1 and 3; each interval grows by 1/4 on both sides, within 0 and 2, and the larger density wins.
    edges, weights = torch.tensor([[0.0, 1, 2]]), torch.tensor([[1.0, 3]])
    new_edges, new_weights = dilate_histogram(edges, weights, 0.25, lowest=0.0, highest=2.0)
    torch.testing.assert_close(new_edges, torch.tensor([[0.0, 0, 0.75, 1, 1.25, 2, 2]]))
    torch.testing.assert_close(new_weights, torch.tensor([[0.0, 0.75, 0.75, 0.75, 2.25, 0]]) / 4.5)


def test_dilation_by_nothing_keeps_the_histogram(backend: str, generator: Generator) -> None:
    edges, weights = random_histogram(5, 12, generator)
    dilated = dilate_histogram(edges, weights, 0.0, lowest=0.0, highest=1.0)
    bound = interlevel_bound(edges, *dilated)
    torch.testing.assert_close(bound, weights / weights.sum(1, keepdim=True), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("rays", "bins"), [(0, 4), (1, 1), (50, 64)])
@pytest.mark.parametrize("dilation", [0.0, 0.01, 0.3])
def test_backends_agree_on_dilation(
    agree: Callable[..., None], generator: Generator, rays: int, bins: int, dilation: float
) -> None:
    inputs = random_histogram(rays, bins, generator)
    agree(lambda t, w: dilate_histogram(t, w, dilation, lowest=0.05, highest=0.9), inputs, tolerance=1e-4)


def test_the_bound_sums_what_overlaps_by_hand() -> None:
    envelope = torch.tensor([[0.0, 1, 2, 3]]), torch.tensor([[1.0, 10, 100]])
    edges = torch.tensor([[-1.0, 0, 0.5, 1.5, 3, 4]])
    # Before the envelope; within its first interval; across a border; up to its end; behind it.
    assert interlevel_bound(edges, *envelope).tolist() == [[0, 1, 11, 110, 0]]


def test_the_loss_is_what_each_interval_has_beyond_its_bound_by_hand(backend: str) -> None:
    envelope_edges = torch.tensor([[0.0, 1, 2, 3]])
    envelope_weights = torch.tensor([[1.0, 10, 100]], requires_grad=True)
    edges, weights = torch.tensor([[-1.0, 0, 0.5, 1.5, 3, 4]]), torch.tensor([[2.0, 4, 11, 120, 8]])
    loss = interlevel_loss(edges, weights, envelope_edges, envelope_weights)
    # The bounds are 0, 1, 11, 110 and 0.
    torch.testing.assert_close(loss, torch.tensor([2.0 + 9 / 4 + 0 + 100 / 120 + 8]))
    torch.autograd.backward(loss.sum())
    torch.testing.assert_close(envelope_weights.grad, -2 * torch.tensor([[3 / 4, 10 / 120, 10 / 120]]))


def test_an_envelope_that_holds_all_that_is_within_it_costs_nothing(backend: str, generator: Generator) -> None:
    edges, weights = random_histogram(6, 30, generator)
    coarse_edges, coarse_weights = edges[:, ::5].contiguous(), weights.view(6, 6, 5).sum(2)
    assert (interlevel_loss(edges, weights, coarse_edges, coarse_weights) < 1e-9).all()
    assert (interlevel_loss(edges, weights, edges, weights) < 1e-9).all()
    assert (interlevel_loss(edges, weights, coarse_edges, coarse_weights / 2) > 1e-3).all()


def test_the_definition_of_the_loss_has_the_right_gradient(generator: Generator) -> None:
    edges, weights = (tensor.double() for tensor in random_histogram(3, 5, generator))
    fine, found = (tensor.double() for tensor in random_histogram(3, 8, generator))
    found = found + 0.1  # an interval without weight has a kink where its bound is 0
    assert torch.autograd.gradcheck(lambda w: interlevel_loss(fine, found, edges, w), (weights.requires_grad_(),))


@pytest.mark.parametrize(("rays", "bins", "envelope"), [(0, 4, 3), (1, 1, 1), (50, 32, 64), (5, 64, 7)])
def test_backends_agree_on_the_loss(
    agree: Callable[..., None], generator: Generator, rays: int, bins: int, envelope: int
) -> None:
    edges, weights = random_histogram(rays, envelope, generator)
    fine, found = random_histogram(rays, bins, generator)
    # Edges that coincide, and intervals without width.
    fine[:, : min(bins, envelope) // 2] = edges[:, : min(bins, envelope) // 2]
    fine = fine.sort(1).values
    fine[:, bins // 2] = fine[:, bins // 2 + 1]
    agree(lambda w: interlevel_loss(fine, found, edges, w), (weights.requires_grad_(),), tolerance=1e-4)


def test_views_are_sampled_like_copies(backend: str, generator: Generator) -> None:
    edges, weights = random_histogram(6, 8, generator)
    shares = torch.rand(5, 6, generator=generator).t()
    assert torch.equal(
        sample_histogram(edges[::2], weights[::2], shares[::2]),
        sample_histogram(edges[::2].clone(), weights[::2].clone(), shares[::2].contiguous()),
    )


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None) -> None:
    edges, weights = torch.zeros(2, 5), torch.zeros(2, 5)
    with pytest.raises(ValueError, match=r"sample_histogram: edges has shape \(2, 5\), expected \(rays=2, 6\)"):
        sample_histogram(edges, weights, weights)
    with pytest.raises(ValueError, match="dilate_histogram: the number of bins is 0, expected 1 or more"):
        dilate_histogram(torch.zeros(2, 1), torch.zeros(2, 0), 0.1, lowest=0.0, highest=1.0)
    with pytest.raises(ValueError, match="dilation is -1, expected 0 or more"):
        dilate_histogram(edges, torch.zeros(2, 4), -1, lowest=0.0, highest=1.0)
    with pytest.raises(ValueError, match=r"interlevel_loss: edges has shape \(2, 5\), expected \(rays=2, 4\)"):
        interlevel_loss(edges, torch.zeros(2, 3), edges, torch.zeros(2, 4))
