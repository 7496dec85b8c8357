"""Parameter groups, the optimizer, and its rate at a step."""

from __future__ import annotations

import torch
from torch import nn

from nsg_cluster.config.schema import OptimizerConfig, ScheduleConfig
from nsg_cluster.training.schedule import learning_rate_factor

__all__ = ["build_optimizer", "clip_gradients", "set_learning_rate"]


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Return Adam over a model's parameters; only weights of linear layers decay."""
    decayed = [layer.weight for layer in model.modules() if isinstance(layer, nn.Linear)]
    known = {id(parameter) for parameter in decayed}
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.Adam(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.eps,
        fused=True,
    )


def set_learning_rate(
    optimizer: torch.optim.Optimizer, config: OptimizerConfig, schedule: ScheduleConfig, *, step: int, steps: int
) -> float:
    """Set the rate of every group for a step and return it."""
    rate = config.learning_rate * learning_rate_factor(schedule, step, steps)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def clip_gradients(model: nn.Module, config: OptimizerConfig) -> None:
    """Scale the gradients of all parameters together down to ``max_grad_norm``, where one is set."""
    if config.max_grad_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
