"""The small multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.mlp import mlp


def weights_of(sizes: Sequence[int], generator: Generator, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [
        (torch.randn(outputs, inputs, generator=generator, dtype=dtype) / inputs**0.5).requires_grad_()
        for inputs, outputs in pairwise(sizes)
    ]


def test_two_layers_by_hand(backend: str) -> None:
    weights = [torch.tensor([[1.0, -1], [2, 0], [-3, 1]]), torch.tensor([[1.0, 10, 100]])]
    # Hidden: (1 - 2, 2, -3 + 2) and (4 - 1, 8, -12 + 1), cut at zero.
    assert mlp(torch.tensor([[1.0, 2], [4, 1]]), weights).tolist() == [[20.0], [83.0]]


def test_the_definition_has_the_right_gradients(generator: Generator) -> None:
    weights = weights_of((3, 5, 4, 2), generator, torch.float64)
    values = torch.randn(6, 3, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *w: mlp(x, w), (values, *weights))


@pytest.mark.parametrize(
    "sizes", [(1, 1), (32, 64, 16), (31, 64, 64, 3), (7, 5, 9, 2), (128, 128, 128), (3, *[8] * 7, 1)]
)
@pytest.mark.parametrize("count", [0, 1, 255, 1000])
def test_backends_agree(agree: Callable[..., None], generator: Generator, sizes: Sequence[int], count: int) -> None:
    values = torch.randn(count, sizes[0], generator=generator).requires_grad_()
    agree(lambda x, *w: mlp(x, w), (values, *weights_of(sizes, generator)), tolerance=1e-4)


def test_sums_over_many_points_keep_their_digits(agree: Callable[..., None], generator: Generator) -> None:
    values = torch.randn(300_000, 4, generator=generator)
    agree(lambda *w: mlp(values, w), weights_of((4, 8, 2), generator), tolerance=1e-4)


@pytest.mark.parametrize("sizes", [(3, 200, 2), (3, *[4] * 9, 2), (3, 0, 2), (0, 4, 2)])
def test_networks_that_the_kernels_do_not_take_are_computed_all_the_same(
    backend: str, generator: Generator, sizes: Sequence[int]
) -> None:
    weights, values = [torch.randn(o, i) for i, o in pairwise(sizes)], torch.ones(5, sizes[0])
    expected = values
    for weight in weights[:-1]:
        expected = torch.relu(expected @ weight.t())
    torch.testing.assert_close(mlp(values, weights), expected @ weights[-1].t())


def test_views_are_computed_like_copies(backend: str, generator: Generator) -> None:
    weights = [torch.randn(4, 6, generator=generator)[:, ::2], torch.randn(4, 2, generator=generator).t()]
    values = torch.randn(3, 50, generator=generator).t()
    assert torch.equal(mlp(values, weights), mlp(values.contiguous(), [weight.contiguous() for weight in weights]))


def test_gradients_reach_only_what_asks_for_them(backend: str, generator: Generator) -> None:
    weights = [weight.detach() for weight in weights_of((3, 4, 2), generator)]
    values = torch.randn(5, 3, generator=generator)
    assert not mlp(values, weights).requires_grad
    torch.autograd.backward(mlp(values.requires_grad_(), weights).sum())
    assert values.grad is not None
    assert all(weight.grad is None for weight in weights)


def test_repeated_gradients_are_equal_to_the_last_bit_for_any_number_of_threads(
    backend: str, generator: Generator
) -> None:
    weights, values = weights_of((8, 16, 4), generator), torch.randn(10000, 8, generator=generator)
    threads, grads = torch.get_num_threads(), []
    try:
        for count in (1, 2, 2):
            torch.set_num_threads(count)
            grads.append(torch.autograd.grad(mlp(values, weights).square().sum(), weights[0])[0])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(grads[1], grads[2])
    assert backend == "torch" or torch.equal(grads[0], grads[1])


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None, generator: Generator) -> None:
    weights = weights_of((3, 4, 2), generator)
    with pytest.raises(ValueError, match=r"mlp: weights\[0\] has shape \(4, 3\), expected \(width 1, width 0=5\)"):
        mlp(torch.zeros(2, 5), weights)
    with pytest.raises(ValueError, match=r"weights\[1\] has shape \(4, 3\), expected \(width 2, width 1=4\)"):
        mlp(torch.zeros(2, 3), [weights[0], weights[0]])
    with pytest.raises(ValueError, match="mlp: the number of weights is 0, expected 1 or more"):
        mlp(torch.zeros(2, 3), [])
    with pytest.raises(TypeError, match="mlp: values is bfloat16, expected float32 or float64"):
        mlp(torch.zeros(2, 3).bfloat16(), weights)
