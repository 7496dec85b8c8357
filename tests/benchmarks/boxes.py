"""Rays through the boxes of a street: 50 objects and 100,000 rays, compiled against the padded form in PyTorch.

``padded`` gathers a matrix for each pair of ray and object.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from nsg_cluster.geometry.boxes import world_to_box
from nsg_cluster.ops.boxes import intersect_boxes
from nsg_cluster.ops.reference import boxes as reference

RAYS, BOXES, REPEATS = 100_000, 50, 5


def scene(device: str, *, near: float) -> tuple[torch.Tensor, ...]:
    """Return rays along x and boxes ahead; more of them are hit where they stand nearer to the middle."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(
        torch.randn(RAYS, 3, generator=generator) * torch.tensor([0.0, 0.15, 0.5]) + torch.tensor([1.0, 0.0, 0.0]),
        dim=1,
    )
    centers = torch.rand(BOXES, 3, generator=generator) * torch.tensor([60.0, 1.0, 2 * near]) + torch.tensor(
        [10.0, 0.0, -near]
    )
    poses = torch.cat([torch.eye(3).expand(BOXES, 3, 3), centers[:, :, None]], dim=2)
    maps = world_to_box(poses, torch.tensor([4.0, 1.6, 1.8]).expand(BOXES, 3))
    candidates = torch.arange(BOXES).expand(RAYS, BOXES).contiguous()
    parts = (torch.zeros(RAYS, 3), directions, maps, candidates)
    return tuple(part.to(device) for part in parts)


def cpu_seconds(run: Callable[[], object], device: str) -> float:
    """Return the least time of some repetitions: CPU seconds, on a GPU seconds."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    best = float("inf")
    for _ in range(REPEATS):
        begin = clock()
        run()
        if device != "cpu":
            torch.cuda.synchronize()
        best = min(best, clock() - begin)
    return best


def run(device: str, peer: object) -> list[dict[str, object]]:
    """Measure with many hits and with few."""
    del peer
    results: list[dict[str, object]] = []
    for near in (8.0, 60.0):
        rays = scene(device, near=near)
        entries, exits = intersect_boxes(*rays)
        results.append(
            {
                "rays": RAYS,
                "boxes": BOXES,
                "hits": int((exits > entries).sum()),
                "compiled_s": cpu_seconds(lambda rays=rays: intersect_boxes(*rays), device),  # type: ignore[misc]
                "padded_s": cpu_seconds(lambda rays=rays: reference.intersect_boxes(*rays), device),  # type: ignore[misc]
            }
        )
    return results
