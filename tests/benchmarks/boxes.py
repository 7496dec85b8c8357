"""Rays through the boxes of a street, compiled against the padded form in PyTorch.

``padded`` is that of Neural Scene Graphs and its ports: each ray by each box. ``scaling`` keeps the rays and the boxes
that they hit, and adds others that they miss.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nsg_cluster.geometry.boxes import world_to_box
from nsg_cluster.ops.boxes import box_hits
from tests.benchmarks.measure import compare

WIDTH, HEIGHT, BOXES = 400, 250, 50
RAYS = WIDTH * HEIGHT


def pixels(device: str, *, shuffled: bool) -> Tensor:
    """Return directions of a camera that looks along x, row by row or in random order."""
    y, z = torch.meshgrid(torch.linspace(-0.3, 0.3, HEIGHT), torch.linspace(-1.0, 1.0, WIDTH), indexing="ij")
    directions = torch.nn.functional.normalize(torch.stack([torch.ones_like(y), y, z], dim=2).view(-1, 3), dim=1)
    order = torch.randperm(RAYS, generator=torch.Generator().manual_seed(1)) if shuffled else torch.arange(RAYS)
    return directions[order].to(device)


def cars(count: int, *, width: float, behind: int = 0) -> Tensor:
    """Return the maps of cars on a street as wide as this, and of others behind the camera."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([60.0, 1.0, width])
    seen = torch.rand(count, 4, generator=generator)
    drawn = torch.cat([seen, torch.rand(behind, 4, generator=generator)])
    centers = drawn[:, :3] * spread + torch.tensor([10.0, 0.0, -width / 2])
    centers[count:, 0] *= -1
    turn = drawn[:, 3]
    zero, one = torch.zeros_like(turn), torch.ones_like(turn)
    about_y = torch.stack([turn.cos(), zero, turn.sin(), zero, one, zero, -turn.sin(), zero, turn.cos()], dim=1)
    poses = torch.cat([about_y.view(-1, 3, 3), centers[:, :, None]], dim=2)
    maps = world_to_box(poses, torch.tensor([4.0, 1.6, 1.8]).expand(len(centers), 3))
    return maps[torch.randperm(len(maps), generator=generator)]


def padded(origins: Tensor, directions: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return entry and exit of each ray in each box, both 0 where it is missed."""
    start = torch.einsum("bij,rj->rbi", maps[..., :3], origins) + maps[..., 3]
    along = torch.einsum("bij,rj->rbi", maps[..., :3], directions)
    lower, upper = (-1 - start) / along, (1 - start) / along
    near, far = torch.fmin(lower, upper).amax(-1).clamp_min(0), torch.fmax(lower, upper).amin(-1)
    return torch.where(near < far, near, 0.0), torch.where(near < far, far, 0.0)


def intersection(device: str, maps: Tensor, *, shuffled: bool, is_compared: bool) -> dict[str, object]:
    """Time the hits of all pixels."""
    origins, directions = torch.zeros(RAYS, 3, device=device), pixels(device, shuffled=shuffled)
    frames = torch.zeros(RAYS, dtype=torch.long, device=device)
    maps = maps.to(device)
    table = torch.arange(len(maps), device=device)[None]
    works = {"compiled": lambda: box_hits(origins, directions, frames, maps, table)}
    if is_compared:
        works["padded"] = lambda: padded(origins, directions, maps)  # type: ignore[assignment, return-value]
    taken = compare(works, device=device, repeats=9)
    figures: dict[str, object] = {
        "rays": RAYS,
        "order": "random" if shuffled else "rows",
        "boxes": len(maps),
        "hits": len(works["compiled"]()[0]),
        **{f"{name}_s": value for name, value in taken.items()},
    }
    return figures | ({"ratio": taken["padded"] / taken["compiled"]} if is_compared else {})


def run(device: str, peer: object) -> dict[str, list[dict[str, object]]]:
    """Measure intersections with many hits and with few, and with more and more boxes that nothing hits."""
    del peer
    return {
        "intersection": [
            intersection(device, cars(BOXES, width=width), shuffled=shuffled, is_compared=True)
            for width in (16.0, 120.0)
            for shuffled in (False, True)
        ],
        "scaling": [
            intersection(device, cars(10, width=40.0, behind=count - 10), shuffled=shuffled, is_compared=False)
            for shuffled in (False, True)
            for count in (10, 50, 200, 800)
        ],
    }
