"""Marching and Adam on the GPU: the same samples to the last bit, and state that is changed in place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from nsg_cluster.ops.adam import adam_step
from nsg_cluster.ops.bits import pack_bits
from nsg_cluster.ops.march import march_occupancy, march_rounds
from tests.gpu.device import NEEDS_GPU, poison

pytestmark = NEEDS_GPU

GRIDS = [
    {"resolution": 32, "cascades": 1, "cone_angle": 0.0, "step_min": 0.01, "step_max": 0.01},
    {"resolution": 128, "cascades": 1, "cone_angle": 0.0, "step_min": 0.003, "step_max": 0.003},
    {"resolution": 64, "cascades": 4, "cone_angle": 1 / 256, "step_min": 0.003, "step_max": 0.2},
    {"resolution": 4, "cascades": 2, "cone_angle": 0.0, "step_min": 0.02, "step_max": 0.02},
]


def scene(rays: int, grid: dict[str, Any], *, share: float = 0.1) -> tuple[list[Tensor], dict[str, Any]]:
    """Draw rays around a box, and a grid with some occupied cells."""
    generator = Generator().manual_seed(rays)
    origins = 3 * normalize(torch.randn(rays, 3, generator=generator), dim=1)
    targets = torch.rand(rays, 3, generator=generator) - 0.5
    directions = normalize(targets - origins, dim=1)
    directions[::5] = -directions[::5]  # these see nothing
    box = torch.tensor([[-1.0, -0.8, -0.9], [1.0, 1.2, 0.9]])
    near, far = torch.full((rays,), 0.1), torch.full((rays,), 9.0)
    occupied = torch.rand(grid["cascades"] * grid["resolution"] ** 3, generator=generator) < share
    settings = {**grid, "occupied": pack_bits(occupied), "box": box, "jitter": torch.rand(rays, generator=generator)}
    return [origins, directions, near, far], settings


def to_cuda(value: Any) -> Any:
    """Move what is a tensor."""
    return value.cuda() if isinstance(value, Tensor) else value


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid['resolution']}-{grid['cascades']}")
@pytest.mark.parametrize("rays", [0, 1, 33, 3000])
def test_samples_are_those_of_the_definition_to_the_last_bit(
    rays: int, grid: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors, settings = scene(rays, grid)
    monkeypatch.setenv("NSG_KERNELS", "torch")
    expected = march_occupancy(*tensors, **settings)
    monkeypatch.setenv("NSG_KERNELS", "cuda")
    poison()
    found = march_occupancy(*map(to_cuda, tensors), **{key: to_cuda(value) for key, value in settings.items()})
    assert rays < 33 or len(expected[0]) > 100
    for left, right in zip(found, expected, strict=True):
        assert torch.equal(left.cpu(), right)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid['resolution']}-{grid['cascades']}")
def test_rounds_together_give_the_samples_of_one_march(grid: dict[str, Any]) -> None:
    tensors, settings = scene(500, grid)
    tensors = [tensor.cuda() for tensor in tensors]
    settings = {key: to_cuda(value) for key, value in settings.items()}
    starts, _, rays, _ = march_occupancy(*tensors, **settings)
    cursor, seen = tensors[2], []
    for _ in range(3000):
        some_starts, _, some_rays, _, cursor = march_rounds(*tensors, **settings, cursor=cursor, limit=7)
        seen.append(torch.stack((some_rays.double(), some_starts.double())))
        if bool(torch.isinf(cursor).all()):
            break
    together = torch.cat(seen, dim=1)
    order = together[0].argsort(stable=True)
    assert torch.equal(together[:, order], torch.stack((rays.double(), starts.double())))


@pytest.mark.parametrize("skip_zeros", [False, True])
@pytest.mark.parametrize("count", [0, 1, 7777])
def test_adam_takes_the_steps_of_the_definition(count: int, skip_zeros: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Generator().manual_seed(count)
    on_cpu = [torch.randn(count, generator=generator).double(), *(torch.zeros(count).double() for _ in range(2))]
    on_gpu = [tensor.float().cuda() for tensor in on_cpu]
    untouched = on_gpu[0].clone()
    monkeypatch.setenv("NSG_KERNELS", "cuda")
    for step in range(1, 6):
        gradient = torch.randn(count, generator=generator)
        gradient[: count // 2] = 0.0
        settings: dict[str, Any] = {
            "step": step,
            "learning_rate": 1e-2,
            "betas": (0.9, 0.99),
            "eps": 1e-8,
            "skip_zeros": skip_zeros,
        }
        adam_step(on_cpu[0], gradient.double(), *on_cpu[1:], **settings)
        adam_step(on_gpu[0], gradient.cuda(), *on_gpu[1:], **settings)
    for left, right in zip(on_gpu, on_cpu, strict=True):
        torch.testing.assert_close(left.cpu().double(), right, rtol=1e-5, atol=1e-6)
    if skip_zeros:
        assert torch.equal(on_gpu[0][: count // 2], untouched[: count // 2])
