"""Parameter groups, the optimizer, and its rates at a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nsg_cluster.config.schema import OptimizerConfig, PosesConfig, ScheduleConfig
from nsg_cluster.core.errors import MachineError
from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.models.per_object import PerObject
from nsg_cluster.ops.adam import Adam
from nsg_cluster.training.schedule import learning_rate_factor

__all__ = ["build_optimizer", "clip_gradients", "set_learning_rates"]


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Return an optimizer of a model's parameters.

    Only weights of linear layers decay. Poses are a group of their own, whose rate is their own too.

    Raises:
        MachineError: The package of the backend is missing.
    """
    groups = _groups(model, config.weight_decay)
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.betas[0])
    common: dict[str, Any] = {"lr": config.learning_rate, "betas": config.betas, "eps": config.eps}
    if config.kind == "radam":
        return torch.optim.RAdam(groups, **common)
    if config.kind == "nadam":
        return torch.optim.NAdam(groups, **common)
    if config.backend == "native":
        return Adam(groups, **common)
    if config.backend == "torch":
        return torch.optim.Adam(groups, fused=True, **common)
    fused: torch.optim.Optimizer = _apex()(groups, adam_w_mode=False, **common)
    return fused


def set_learning_rates(
    optimizer: torch.optim.Optimizer,
    config: OptimizerConfig,
    schedule: ScheduleConfig,
    *,
    poses: PosesConfig | None = None,
    object_poses: PosesConfig | None = None,
    step: int,
    steps: int,
) -> dict[str, float]:
    """Set the rate of every group for a step; return the rate, and those of poses where they are refined.

    All rise over the same steps: what a scene that is not there yet says about poses is worth little.
    """
    rates = {"lr": config.learning_rate * learning_rate_factor(schedule, step, steps)}
    rise = min(1.0, (step + 1) / max(1, schedule.warmup_steps))
    for name, refined in {"lr_poses": poses, "lr_object_poses": object_poses}.items():
        if refined is not None:
            progress = min(1.0, step / (refined.decay_steps or steps))
            rates[name] = rise * refined.rate * (refined.final_rate / refined.rate) ** progress
    for group in optimizer.param_groups:
        group["lr"] = rates[group["rate"]]
    return rates


def clip_gradients(model: nn.Module, config: OptimizerConfig) -> None:
    """Scale the gradients of all parameters together down to ``max_grad_norm``, where one is set."""
    if config.max_grad_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the groups that are not empty: weights, sparsely used tables, poses of cameras and objects, others."""
    modules = list(model.modules())
    weights = [layer.weight for layer in modules if isinstance(layer, nn.Linear)]
    tables = [grid.table for grid in modules if isinstance(grid, HashGrid)]
    poses = [parameter for table in modules if isinstance(table, PerImage) for parameter in table.pose_parameters()]
    objects = [parameter for table in modules if isinstance(table, PerObject) for parameter in table.pose_parameters()]
    known = {id(parameter) for parameter in (*weights, *tables, *poses, *objects)}
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    plain = {"weight_decay": 0.0, "skip_zeros": False, "rate": "lr"}
    groups: list[dict[str, Any]] = [
        {**plain, "params": weights, "weight_decay": weight_decay},
        {**plain, "params": tables, "skip_zeros": True},
        {**plain, "params": poses, "rate": "lr_poses"},
        {**plain, "params": objects, "rate": "lr_object_poses"},
        {**plain, "params": others},
    ]
    return [group for group in groups if group["params"]]


def _apex() -> Any:
    """Return the fused Adam of apex.

    Raises:
        MachineError: apex is not installed.
    """
    try:
        from apex.optimizers import FusedAdam
    except ImportError as error:
        raise MachineError(
            f"train.optimizer.backend: 'apex' cannot be used here ({error}); take 'native', or install apex with its "
            "CUDA extensions"
        ) from None
    return FusedAdam
