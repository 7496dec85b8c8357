"""Parameter groups, rates and clipping."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch
from torch import nn

from nsg_cluster.config.schema import OptimizerConfig, PosesConfig, ScheduleConfig, TrainConfig
from nsg_cluster.core.errors import MachineError
from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.ops.encode import HashGridLayout
from nsg_cluster.training.optimizer import build_optimizer, clip_gradients, set_learning_rates


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
    rate = set_learning_rates(optimizer, config, ScheduleConfig(warmup_steps=4), step=1, steps=100)
    assert rate == {"lr": 0.05}
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


def test_poses_have_a_rate_of_their_own_that_falls_and_stays() -> None:
    model = nn.ModuleList([Small(), PerImage(2, unit=1.0, appearance=1, exposure=True, poses=True)])
    config, poses = (
        OptimizerConfig(learning_rate=0.1),
        PosesConfig(rate=1e-3, final_rate=1e-4, decay_steps=10),
    )
    optimizer = build_optimizer(model, config)
    for step, expected in ((0, 1e-3), (5, 1e-3 * 0.1**0.5), (10, 1e-4), (50, 1e-4)):
        schedule = ScheduleConfig(kind="constant", warmup_steps=0)
        rates = set_learning_rates(optimizer, config, schedule, poses=poses, step=step, steps=100)
        assert rates == {"lr": 0.1, "lr_poses": pytest.approx(expected)}
    by_rate = {
        group["lr"]: [tuple(parameter.shape) for parameter in group["params"]] for group in optimizer.param_groups
    }
    assert by_rate[rates["lr_poses"]] == [(2, 3), (2, 3)]


def moved(backend: Any, device: str = "cpu") -> torch.Tensor:
    """Return how far three steps move a table whose first entry has a gradient in all of them, the second in one."""
    torch.manual_seed(0)
    layout = HashGridLayout(levels=1, features=2, log2_table_size=6, base_resolution=2, max_resolution=2)
    grid = HashGrid(layout).to(device)
    start = grid.table.detach().clone()
    optimizer = build_optimizer(grid, OptimizerConfig(backend=backend, learning_rate=0.1, eps=1e-8))
    for step in range(3):
        grid.table.grad = torch.zeros_like(grid.table)
        grid.table.grad[0] = 1.0 + step
        grid.table.grad[1] = float(step == 0)
        optimizer.step()
    return (grid.table.detach() - start).cpu()


def test_the_native_optimizer_passes_over_entries_without_a_gradient_and_otherwise_agrees_with_torch() -> None:
    native, fused = moved("native"), moved("torch")
    assert torch.allclose(native[0], fused[0], atol=1e-6)
    assert torch.allclose(native[1], torch.full((2,), -0.1), atol=1e-6), "one step and no more"
    assert (fused[1] < -0.15).all(), "moments go on moving it"


@pytest.mark.gpu
def test_apex_moves_as_torch_does() -> None:
    if importlib.util.find_spec("apex") is None or not torch.cuda.is_available():
        pytest.skip("apex is not installed, or there is no GPU")
    assert torch.allclose(moved("apex", "cuda"), moved("torch", "cuda"), atol=1e-5)


def test_apex_is_asked_for_in_vain_in_one_sentence() -> None:
    if importlib.util.find_spec("apex") is not None:
        pytest.skip("apex is installed")
    with pytest.raises(MachineError, match=r"train\.optimizer\.backend: 'apex' cannot be used here .*; take 'native'"):
        build_optimizer(Small(), OptimizerConfig(backend="apex"))


@pytest.mark.parametrize("kind", ["adam", "radam", "nadam", "sgd"])
def test_every_kind_of_optimizer_finds_the_bottom_of_a_bowl(kind: str) -> None:
    model = Small()
    config = OptimizerConfig.model_validate({"kind": kind, "learning_rate": 0.05, "betas": (0.9, 0.99)})
    optimizer = build_optimizer(model, config)
    for step in range(400):
        set_learning_rates(optimizer, config, ScheduleConfig(kind="cosine", warmup_steps=0), step=step, steps=400)
        optimizer.zero_grad()
        loss = (model.table - torch.tensor([0.3, -2.0, 1.0])).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert torch.allclose(model.table.detach(), torch.tensor([0.3, -2.0, 1.0]), atol=1e-2)


def test_only_adam_has_other_backends() -> None:
    with pytest.raises(ValueError, match=r"optimizer\.backend 'torch' is of kind 'adam'"):
        TrainConfig(optimizer=OptimizerConfig(kind="radam", backend="torch"))
