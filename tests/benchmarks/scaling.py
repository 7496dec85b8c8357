"""How time and memory of the hash step grow with points and threads."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from nsg_cluster.config.schema import OptimizerConfig
from nsg_cluster.training.optimizer import build_optimizer
from tests.benchmarks.hash_step import ours, step_of
from tests.benchmarks.measure import peak_memory_bytes, seconds


def run(device: str, peer: Path | None) -> list[dict[str, object]]:
    """Measure 2^14 to 2^20 points on one thread and on all."""
    del peer
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
