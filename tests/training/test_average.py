"""The running mean of the weights."""

from __future__ import annotations

import torch
from torch import nn

from nsg_cluster.training.average import WeightAverage


def test_the_mean_forgets_the_initial_weights_and_follows_later_ones() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(100.0)
    average = WeightAverage(model, 0.9)
    expected = 100.0
    for step in range(1, 200):
        model.weight.data.fill_(float(step))
        average.update(step)
        kept = min(0.9, step / (step + 9))
        expected = kept * expected + (1 - kept) * step
    mean = float(average.state()["weight"])
    assert abs(mean - expected) < 1e-3
    assert abs(mean - (199 - 9)) < 0.1, "a mean that keeps 0.9 lags 0.9 / 0.1 steps behind a straight line"


def test_the_model_computes_with_the_mean_only_for_a_while() -> None:
    model = nn.Linear(2, 2)
    trained = model.weight.detach().clone()
    average = WeightAverage(model, 0.5)
    model.weight.data.add_(1.0)
    with average.in_place():
        assert torch.equal(model.weight, trained)
    assert torch.equal(model.weight, trained + 1)
    assert torch.equal(average.state()["weight"], trained)
    other = WeightAverage(model, 0.5)
    other.load(average.state())
    assert torch.equal(other.state()["weight"], trained)
