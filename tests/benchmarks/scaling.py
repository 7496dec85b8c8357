"""How time and memory grow: of the hash step with points and threads, of a training step with rays and samples."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nsg_cluster.config.schema import Experiment, OptimizerConfig
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.training.optimizer import build_optimizer
from nsg_cluster.training.state import new_state
from nsg_cluster.training.step import take_step
from tests.benchmarks.hash_step import ours, step_of
from tests.benchmarks.measure import peak_memory_bytes, seconds

TOYBOX: dict[str, Any] = {
    "name": "scaling",
    "data": {"kind": "synthetic", "image_size": 64, "train_views": 20, "test_views": 1, "supersample": 1},
    "model": {"kind": "instant_ngp", "sampler": {"kind": "occupancy", "warmup_steps": 0, "resolution": 64}},
}
STEPS_BEFORE = 64
"""Steps after which the grid of the toy box is mostly empty."""


def run(device: str, peer: Path | None) -> dict[str, list[dict[str, object]]]:
    """Measure 2^14 to 2^20 points on one thread and on all; 2^9 to 2^14 rays, and 2^13 to 2^17 samples a step."""
    del peer
    return {"budget": budget(device), "rays": rays(device), "points": points_and_threads(device)}


def rays(device: str) -> list[dict[str, object]]:
    """Measure a training step with a number of rays."""
    return [_training(device, rays=1 << power, samples=None) for power in range(9, 15)]


def budget(device: str) -> list[dict[str, object]]:
    """Measure a training step that chooses its rays for a number of samples."""
    return [_training(device, rays=1024, samples=1 << power) for power in range(13, 18)]


def _training(device: str, *, rays: int, samples: int | None) -> dict[str, object]:
    experiment = Experiment.model_validate({**TOYBOX, "train": {"rays": rays, "samples": samples, "device": device}})
    scene, where = load_scene(experiment.data), torch.device(device)
    batches, state = RayBatches(scene.train, where), new_state(experiment, scene, where)
    for _ in range(STEPS_BEFORE):
        done = take_step(experiment, batches, state)
    taken = seconds(partial(take_step, experiment, batches, state), device=device, repeats=5)
    return {
        "budget": samples,
        "rays": done.num_rays,
        "samples": done.num_samples,
        "seconds": taken,
        "microseconds_per_sample": taken / done.num_samples * 1e6,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def points_and_threads(device: str) -> list[dict[str, object]]:
    """Measure the hash step."""
    rows: list[dict[str, object]] = []
    all_threads = torch.get_num_threads()
    for threads in sorted({1, all_threads}):
        torch.set_num_threads(threads)
        for log2_points in range(14, 21):
            torch.manual_seed(0)
            points = torch.rand(1 << log2_points, 3, device=device)
            directions = nn.functional.normalize(torch.randn(len(points), 3, device=device), dim=1)
            field = ours(device)
            step = step_of(field, build_optimizer(field, OptimizerConfig()), points, directions)
            taken = seconds(step, device=device, repeats=3)
            rows.append(
                {
                    "threads": threads,
                    "points": len(points),
                    "seconds": taken,
                    "microseconds_per_point": taken / len(points) * 1e6,
                    "peak_memory_bytes": peak_memory_bytes(),
                }
            )
    torch.set_num_threads(all_threads)
    return rows
