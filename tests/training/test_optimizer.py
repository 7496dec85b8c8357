"""Parameter groups, rates and clipping."""

from __future__ import annotations

import torch
from torch import nn

from nsg_cluster.config.schema import OptimizerConfig, ScheduleConfig
from nsg_cluster.training.optimizer import build_optimizer, clip_gradients, set_learning_rate


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.ones(3))
        self.layer = nn.Linear(2, 1)


def test_only_weights_of_linear_layers_decay() -> None:
    model = Small()
    optimizer = build_optimizer(model, OptimizerConfig(weight_decay=0.5))
    decay = {id(parameter): group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
    assert decay == {id(model.layer.weight): 0.5, id(model.layer.bias): 0.0, id(model.table): 0.0}


def test_a_step_moves_by_the_rate_of_that_step() -> None:
    model, config = Small(), OptimizerConfig(learning_rate=0.1)
    optimizer = build_optimizer(model, config)
    rate = set_learning_rate(optimizer, config, ScheduleConfig(warmup_steps=4), step=1, steps=100)
    assert rate == 0.05
    model.table.grad = torch.tensor([1e-9, -5.0, 1e3])
    optimizer.step()
    moved = model.table.detach() - 1
    assert torch.allclose(moved, torch.tensor([-0.05, 0.05, -0.05])), "Adam's first step ignores the gradient's size"


def test_clipping_scales_all_gradients_together() -> None:
    model = Small()
    model.table.grad = torch.tensor([3.0, 0.0, 0.0])
    model.layer.weight.grad = torch.tensor([[0.0, 4.0]])
    clip_gradients(model, OptimizerConfig())
    assert model.table.grad.norm() == 3
    clip_gradients(model, OptimizerConfig(max_grad_norm=0.5))
    assert torch.allclose(model.table.grad[0], torch.tensor(0.3), atol=1e-5)
    assert torch.allclose(model.layer.weight.grad[0, 1], torch.tensor(0.4), atol=1e-5)
