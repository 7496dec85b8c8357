"""Training steps on a GPU: every precision and sampler learns, and full memory costs rays only."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.training.checkpoint import newest_weights
from nsg_cluster.training.loop import train
from nsg_cluster.training.state import new_state
from nsg_cluster.training.step import take_step
from tests.gpu.device import NEEDS_GPU
from tests.training.tiny import ALL_OPTIONS, many, tiny

pytestmark = NEEDS_GPU

STEPS = 150
TRAIN: dict[str, Any] = {"steps": STEPS, "device": "cuda", "optimizer": {"learning_rate": 2e-2}}
LARGER: dict[str, Any] = {"hash_grid": {"levels": 4, "log2_table_size": 12}, "kind": "instant_ngp"}


def trained_psnr(model: dict[str, Any], train: dict[str, Any]) -> float:
    """Return the PSNR of the training rays over the last steps."""
    experiment = tiny(model=model, train=TRAIN | train)
    scene, cuda = load_scene(experiment.data), torch.device("cuda")
    state, batches = new_state(experiment, scene, cuda), RayBatches(scene.train, cuda)
    errors = [float(take_step(experiment, batches, state).score.squared_error) for _ in range(STEPS)]
    assert all(bool(torch.isfinite(parameter).all()) for parameter in state.model.parameters())
    return -10 * math.log10(sum(errors[-20:]) / 20)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("model", [{}, ALL_OPTIONS["model"]], ids=["occupancy", "all-options"])
def test_every_precision_learns(model: dict[str, Any], precision: str) -> None:
    assert trained_psnr(model, {"precision": precision}) > 15, "the images before anything is learned have about 10"


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are fewer than two CUDA devices")
def test_two_gpus_arrive_where_one_does(tmp_path: Path) -> None:
    weights = []
    for processes in (1, 2):
        experiment = many(device="cuda", jitter=False, processes=processes)
        paths = TaskPaths(tmp_path / str(processes))
        assert train(experiment, paths, stop=StopSignal()).step == 12
        weights.append(newest_weights(paths.root))
    for name, of_one in weights[0].items():
        torch.testing.assert_close(weights[1][name], of_one, rtol=1e-3, atol=1e-4, msg=name)


def test_memory_that_is_really_full_halves_the_rays() -> None:
    experiment = tiny(model=LARGER, train=TRAIN | {"rays": 1 << 16, "samples": 1 << 24})
    scene, cuda, said = load_scene(experiment.data), torch.device("cuda"), list[str]()
    state, batches = new_state(experiment, scene, cuda), RayBatches(scene.train, cuda)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(cuda).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (256 << 20)) / total)
    try:
        take_step(experiment, batches, state, notice=said.append)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert said and all("the memory of the GPU is full: going on with train.samples=" in text for text in said)
    assert state.step == 1 and state.samples == (1 << 24) >> len(said)
