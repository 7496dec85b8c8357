"""Sinusoidal and integrated encodings."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.frequency import frequency_encode, integrated_encode


def test_sines_then_cosines_of_each_frequency(backend: str) -> None:
    found = frequency_encode(torch.tensor([[math.pi / 2, math.pi / 6]]), 2)
    root = math.sqrt(3) / 2
    torch.testing.assert_close(found, torch.tensor([[1, 0.5, 0, root, 0, root, -1, 0.5]]), rtol=0.0, atol=1e-6)


def test_large_angles_keep_their_digits(backend: str, generator: Generator) -> None:
    values = 1000 * (torch.rand(500, 2, generator=generator) - 0.5)
    exact = frequency_encode(values.double(), 12)
    torch.testing.assert_close(frequency_encode(values, 12).double(), exact, rtol=0.0, atol=2e-7)


def test_a_gaussian_without_spread_is_a_point(backend: str, generator: Generator) -> None:
    means = torch.randn(20, 3, generator=generator)
    assert torch.equal(
        integrated_encode(means, torch.zeros(20, 3), 5, lowest=-1), frequency_encode(means, 5, lowest=-1)
    )


def test_a_gaussian_is_the_mean_of_its_points(backend: str, generator: Generator) -> None:
    sigma = 0.3
    points = 0.7 + sigma * torch.randn(200000, 1, generator=generator)
    found = integrated_encode(torch.tensor([[0.7]]), torch.tensor([[sigma**2]]), 3)
    torch.testing.assert_close(found, frequency_encode(points, 3).mean(0, keepdim=True), rtol=0.0, atol=5e-3)


def test_definitions_have_the_right_gradients(generator: Generator) -> None:
    means = torch.randn(4, 2, generator=generator, dtype=torch.float64).requires_grad_()
    variances = torch.rand(4, 2, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda m: frequency_encode(m, 3), (means,))
    assert torch.autograd.gradcheck(lambda m, v: integrated_encode(m, v, 3, lowest=-1), (means, variances))


@pytest.mark.parametrize("count", [0, 1, 77])
def test_backends_agree(agree: Callable[..., None], generator: Generator, count: int) -> None:
    means = torch.randn(count, 3, generator=generator).requires_grad_()
    variances = (torch.rand(count, 3, generator=generator) ** 4).requires_grad_()
    agree(lambda m: frequency_encode(m, 10), (means,))
    agree(lambda m, v: integrated_encode(m, v, 12), (means, variances))


@pytest.mark.parametrize("variance", [0.0, 1e-20, 1.0, 1e20])
def test_values_and_gradients_are_finite_for_any_spread(backend: str, variance: float) -> None:
    means, variances = torch.ones(2, 3, requires_grad=True), torch.full((2, 3), variance, requires_grad=True)
    encoded = integrated_encode(means, variances, 12)
    for tensor in (encoded, *torch.autograd.grad(encoded.sum(), (means, variances))):
        assert tensor.isfinite().all()


def test_views_are_encoded_like_copies(backend: str, generator: Generator) -> None:
    values = torch.randn(3, 10, generator=generator).t()
    assert torch.equal(frequency_encode(values, 4), frequency_encode(values.contiguous(), 4))


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None) -> None:
    with pytest.raises(ValueError, match="frequency_encode: count is 0, expected 1 or more"):
        frequency_encode(torch.zeros(1, 3), 0)
    with pytest.raises(ValueError, match="lowest is 60, expected -64 to 54"):
        frequency_encode(torch.zeros(1, 3), 10, lowest=60)
    with pytest.raises(
        ValueError, match=r"integrated_encode: variances has shape \(2, 3\), expected \(points=1, dims=3\)"
    ):
        integrated_encode(torch.zeros(1, 3), torch.zeros(2, 3), 2)


def test_gradients_can_be_differentiated_in_turn(backend: str, generator: Generator) -> None:
    means = torch.randn(6, 3, generator=generator).requires_grad_()
    variances = torch.rand(6, 3, generator=generator).requires_grad_()
    weights = torch.randn(6, 24, generator=generator).requires_grad_()
    exact = [each.detach().double().requires_grad_() for each in (means, variances, weights)]

    def second(m: Tensor, v: Tensor, w: Tensor, *, integrated: bool) -> tuple[Tensor, ...]:
        encoded = integrated_encode(m, v, 4) if integrated else frequency_encode(m, 4)
        first = torch.autograd.grad((encoded * w).sum(), (m, v) if integrated else (m,), create_graph=True)
        return torch.autograd.grad(torch.stack([each.square().sum() for each in first]).sum(), (m, w))

    for integrated in (True, False):
        found, expected = (second(*inputs, integrated=integrated) for inputs in ((means, variances, weights), exact))
        for ours, true in zip(found, expected, strict=True):
            torch.testing.assert_close(ours.double(), true, rtol=1e-3, atol=1e-2)
