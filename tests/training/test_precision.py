"""Half precision: where it is refused, and the scaling of the loss."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nsg_cluster.config.schema import TrainConfig
from nsg_cluster.core.errors import MachineError, TrainingError
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.training.precision import FIRST_FACTOR, STEPS_TO_DOUBLE, LossScale
from nsg_cluster.training.state import new_state
from tests.training.tiny import tiny

CPU = torch.device("cpu")


def test_float16_on_a_cpu_is_refused_in_the_file_and_where_there_is_no_gpu() -> None:
    with pytest.raises(ValueError, match="precision 'float16' needs a GPU and device is 'cpu'"):
        TrainConfig(precision="float16", device="cpu")
    experiment = tiny(train={"precision": "float16", "device": "auto"})
    with pytest.raises(MachineError, match=r"train\.precision: 'float16' needs a GPU and this is a CPU"):
        new_state(experiment, load_scene(experiment.data), CPU)


def gradient_of(model: nn.Linear, value: float) -> None:
    model.weight.grad = torch.full_like(model.weight, value)


def test_a_gradient_is_divided_by_the_factor_and_the_factor_grows() -> None:
    model, scale = nn.Linear(2, 1, bias=False), LossScale(is_used=True)
    for step in range(STEPS_TO_DOUBLE):
        gradient_of(model, 3.0 * FIRST_FACTOR)
        assert scale.unscale(model, step)
    assert model.weight.grad is not None and torch.equal(model.weight.grad, torch.full((1, 2), 3.0))
    assert scale.factor == 2 * FIRST_FACTOR


def test_a_gradient_that_overflows_costs_a_step_and_half_the_factor() -> None:
    model, scale = nn.Linear(2, 1, bias=False), LossScale(is_used=True)
    gradient_of(model, float("inf"))
    assert not scale.unscale(model, 7)
    assert (scale.factor, scale.good_steps) == (FIRST_FACTOR / 2, 0)
    with pytest.raises(TrainingError, match="stopped at step 8: gradients are NaN or infinite whatever the scale"):
        for _ in range(20):
            scale.unscale(model, 8)


def test_other_precisions_are_not_scaled() -> None:
    model, scale = nn.Linear(2, 1, bias=False), LossScale(is_used=False)
    gradient_of(model, float("nan"))
    assert scale.factor == 1 and scale.unscale(model, 1), "the guard against NaN looks next"
