"""Adam, with and without passing over zero gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from nsg_cluster.ops import buffers
from nsg_cluster.ops.adam import Adam, adam_step
from nsg_cluster.ops.encode import HashGridLayout, hash_encode

RATES: dict[str, Any] = {"learning_rate": 0.01, "betas": (0.9, 0.99), "eps": 1e-8}


def state_of(size: int, generator: Generator) -> list[Tensor]:
    """Return a parameter, its gradient with many zeros, and moments."""
    gradient = torch.randn(size, generator=generator)
    gradient[torch.rand(size, generator=generator) < 0.5] = 0.0
    return [torch.randn(size, generator=generator), gradient, *torch.rand(2, size, generator=generator).unbind(0)]


def test_the_first_step_has_the_length_of_the_rate(backend: str) -> None:
    parameter, moments = torch.zeros(3), [torch.zeros(3), torch.zeros(3)]
    adam_step(parameter, torch.tensor([1e-3, -5.0, 0.0]), *moments, step=1, **RATES)
    torch.testing.assert_close(parameter, torch.tensor([-0.01, 0.01, 0.0]), rtol=1e-4, atol=0.0)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_many_steps_are_those_of_pytorch(backend: str, generator: Generator, weight_decay: float) -> None:
    start, grads = torch.randn(7, 3, generator=generator), torch.randn(20, 7, 3, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    options: dict[str, Any] = {"lr": 0.02, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": weight_decay}
    optimizers = [Adam([ours], **options), torch.optim.Adam([theirs], **options)]
    for gradient in grads:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_elements_without_gradient_stay_as_they_are(backend: str, generator: Generator) -> None:
    state = state_of(1000, generator)
    before = [tensor.clone() for tensor in state]
    adam_step(state[0], state[1], state[2], state[3], step=5, **RATES, skip_zeros=True, clear_gradient=True)
    is_touched = before[1] != 0
    for after, at_first in zip((state[0], *state[2:]), (before[0], *before[2:]), strict=True):
        assert torch.equal(after[~is_touched], at_first[~is_touched])
        assert (after[is_touched] != at_first[is_touched]).all()
    assert not state[1].any()


@pytest.mark.parametrize("size", [0, 1, 63, 10000])
@pytest.mark.parametrize("skip_zeros", [False, True])
def test_backends_agree(
    monkeypatch: pytest.MonkeyPatch, agree: object, generator: Generator, size: int, skip_zeros: bool
) -> None:
    state = state_of(size, generator)
    results = []
    for backend in ("torch", "cpu"):
        monkeypatch.setenv("NSG_KERNELS", backend)
        copies = [tensor.clone() for tensor in state]
        adam_step(copies[0], copies[1], copies[2], copies[3], step=3, **RATES, weight_decay=0.1, skip_zeros=skip_zeros)
        results.append(copies)
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted, rtol=2e-6, atol=1e-7)


def test_autograd_is_told_of_the_change(backend: str) -> None:
    parameter = torch.ones(4, requires_grad=True)
    loss = parameter.square().sum()
    adam_step(parameter, torch.ones(4), torch.zeros(4), torch.zeros(4), step=1, **RATES)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.backward(loss)


def test_gradients_of_a_table_are_used_again(backend: str, generator: Generator) -> None:
    layout = HashGridLayout(levels=2, features=2, log2_table_size=8, base_resolution=2, max_resolution=8)
    tables = [nn.Parameter(torch.rand(layout.num_entries, 2, generator=torch.Generator().manual_seed(1))) for _ in "ab"]
    optimizers = [Adam([tables[0]], lr=0.1, skip_zeros=True), Adam([tables[1]], lr=0.1, skip_zeros=False)]
    for _ in range(3):
        points = torch.rand(4000, 3, generator=generator)  # so many that they touch every entry
        for table, optimizer in zip(tables, optimizers, strict=True):
            optimizer.zero_grad()
            torch.autograd.backward(hash_encode(points, table, layout).square().sum())
            optimizer.step()
    assert tables[0].grad is None
    torch.testing.assert_close(tables[0], tables[1])
    kept = buffers.take_zeros(tables[0])
    assert not kept.any()


def test_a_saved_optimizer_goes_on_where_it_was(backend: str, generator: Generator) -> None:
    grads = torch.randn(6, 5, generator=generator)
    whole, parts = nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(5))
    first, second = Adam([whole], lr=0.1), Adam([parts], lr=0.1)
    for step, gradient in enumerate(grads):
        whole.grad, parts.grad = gradient.clone(), gradient.clone()
        first.step()
        if step == 3:
            saved = second.state_dict()
            second = Adam([parts], lr=0.7)
            second.load_state_dict(saved)
        second.step()
    assert torch.equal(whole, parts)


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None) -> None:
    four = [torch.zeros(4, 2) for _ in range(4)]
    with pytest.raises(ValueError, match=r"adam_step: gradient has shape \(2, 4\), expected \(4, 2\)"):
        adam_step(four[0], four[1].view(2, 4), four[2], four[3], step=1, **RATES)
    with pytest.raises(ValueError, match=r"parameter\.stride\(\) is \(1, 4\), expected contiguous"):
        adam_step(torch.zeros(2, 4).t(), four[1], four[2], four[3], step=1, **RATES)
    with pytest.raises(ValueError, match="step is 0, expected 1 or more"):
        adam_step(four[0], four[1], four[2], four[3], step=0, **RATES)
    with pytest.raises(ValueError, match=r"betas is \(0\.9, 1\.0\), expected numbers from 0 to below 1"):
        adam_step(four[0], four[1], four[2], four[3], step=1, **{**RATES, "betas": (0.9, 1.0)})


def test_what_is_no_number_stays_visible(backend: str) -> None:
    parameter, gradient = torch.zeros(70), torch.zeros(70)
    gradient[40] = math.nan
    adam_step(parameter, gradient, torch.zeros(70), torch.zeros(70), step=1, **RATES, skip_zeros=True)
    assert parameter.isnan().nonzero().tolist() == [[40]]
