"""Rays through the boxes of a street, compiled against the padded form in PyTorch.

``padded`` is that of Neural Scene Graphs and its ports: each ray by each box. ``scaling`` keeps the rays and the boxes
that they hit, and adds others that they miss. ``composition`` merges samples of the background and of the hits, and
composites them, forward and backward; its padded form sorts and gathers a row for each ray, as long as that of the ray
with most hits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nsg_cluster.geometry.boxes import world_to_box
from nsg_cluster.ops.boxes import box_hits
from nsg_cluster.ops.merge import merge_by_depth
from nsg_cluster.ops.volume import composite_merged
from tests.benchmarks.measure import medians, ratios, taken_in_turn

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
    taken = taken_in_turn(works, device=device, repeats=9)
    figures: dict[str, object] = {
        "rays": RAYS,
        "order": "random" if shuffled else "rows",
        "boxes": len(maps),
        "hits": len(works["compiled"]()[0]),
        "seconds": medians(taken),
    }
    return figures | ({"ratio_quartiles": ratios(taken, of="compiled")["padded"]} if is_compared else {})


def padded_composition(starts: Tensor, densities: Tensor, colors: Tensor) -> Tensor:
    """Return the colors of rays whose samples lie in rows, unsorted, those that are none at the far end and empty."""
    ordered, order = starts.sort(dim=1)
    densities = densities.gather(1, order)
    colors = colors.gather(1, order[:, :, None].expand(-1, -1, 3))
    lengths = torch.cat([ordered.diff(dim=1), torch.full_like(ordered[:, :1], 1e10)], dim=1)
    alpha = 1 - torch.exp(-densities * lengths)
    passed = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha + 1e-10], dim=1), dim=1)[:, :-1]
    return ((alpha * passed)[:, :, None] * colors).sum(1)


def composition(device: str, *, background: int, per_hit: int) -> dict[str, object]:
    """Time the colors of all pixels and the gradients by densities and colors, both sides from the same samples."""
    generator = torch.Generator().manual_seed(2)
    frames, maps = torch.zeros(RAYS, dtype=torch.long), cars(BOXES, width=16.0)
    directions, table = pixels("cpu", shuffled=False), torch.arange(BOXES)[None]
    entries, exits, rays, _, hit_offsets = box_hits(torch.zeros(RAYS, 3), directions, frames, maps, table)
    at = torch.linspace(0, 1, per_hit)
    inside = entries[:, None] + (exits - entries)[:, None] * at
    planes = torch.linspace(1.0, 150.0, background).expand(RAYS, -1)
    starts = torch.cat([planes.flatten(), inside.flatten()])
    densities = 0.2 * torch.rand(len(starts), generator=generator)
    colors = torch.rand(len(starts), 3, generator=generator)
    hits = torch.arange(len(rays))
    slot = background + per_hit * (hits - hit_offsets[rays])[:, None] + torch.arange(per_hit)
    width = background + per_hit * int(hit_offsets.diff().max())

    def in_rows(values: Tensor, empty: float) -> Tensor:
        rows = values.new_full((RAYS, width, *values.shape[1:]), empty)
        rows[:, :background] = values[: RAYS * background].view(RAYS, background, *values.shape[1:])
        rows[rays[:, None], slot] = values[RAYS * background :].view(len(rays), per_hit, *values.shape[1:])
        return rows.to(device)

    rows = (in_rows(starts, 1e9), in_rows(densities, 0.0), in_rows(colors, 0.0))
    offsets = (torch.arange(RAYS + 1) * background).to(device)
    packed = [tensor.to(device) for tensor in (starts, densities, colors, hits, hit_offsets)]

    def compiled() -> Tensor:
        leaves = [tensor.detach().requires_grad_() for tensor in packed[1:3]]
        begin, end, places, order, _, merged = merge_by_depth(
            *(packed[0], packed[0], offsets, packed[3], packed[4]),
            per_hit=per_hit,
            background_is_points=True,
            hits_are_points=True,
        )
        color = composite_merged(leaves[0], leaves[1], begin, end, merged, order=order, places=places)[1]
        torch.autograd.backward(color.square().sum())
        return color.detach()

    def in_padded_form() -> Tensor:
        leaves = [tensor.detach().requires_grad_() for tensor in rows[1:]]
        color = padded_composition(rows[0], leaves[0], leaves[1])
        torch.autograd.backward(color.square().sum())
        return color.detach()

    torch.testing.assert_close(compiled(), in_padded_form(), rtol=1e-4, atol=1e-4)
    taken = taken_in_turn({"compiled": compiled, "padded": in_padded_form}, device=device, repeats=9)
    return {
        "rays": RAYS,
        "background_samples": background,
        "samples_of_a_hit": per_hit,
        "hits": len(rays),
        "most_hits_of_a_ray": int(hit_offsets.diff().max()),
        "seconds": medians(taken),
        "ratio_quartiles": ratios(taken, of="compiled")["padded"],
    }


def run(device: str, peer: object) -> dict[str, list[dict[str, object]]]:
    """Measure intersections with many hits and few, with more and more boxes that nothing hits; and composition."""
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
        "composition": [
            composition(device, background=background, per_hit=per_hit) for background, per_hit in ((6, 7), (32, 8))
        ],
    }
