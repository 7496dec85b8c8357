"""Distortion and interlevel losses of mip-NeRF 360 against their sums over pairs of intervals, written as loops.

The loops are those of PyTorch ports (zhangkai0425/mipnerf-360 has one): over pairs of intervals in Python, all rays at
once. Both sides compute the loss of the same histograms and its gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nsg_cluster.ops.histogram import interlevel_loss
from nsg_cluster.ops.volume import distortion
from tests.benchmarks.measure import medians, ratios, taken_in_turn

SAMPLES = 64
AT_ONCE = 20  # what takes less than a millisecond is done so many times for one figure


def histograms(rays: int, device: str) -> tuple[Tensor, ...]:
    """Return edges and weights, and those of an envelope."""
    generator = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(2):
        edges = torch.rand(rays, SAMPLES + 1, generator=generator).sort(1).values
        weights = torch.rand(rays, SAMPLES, generator=generator) ** 4
        parts += [edges.to(device), (weights / weights.sum(1, keepdim=True)).to(device)]
    return tuple(parts)


def distortion_by_pairs(edges: Tensor, weights: Tensor) -> Tensor:
    """Return mip-NeRF 360's eq. 15 of each ray, pair by pair."""
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    loss = torch.zeros_like(weights[:, 0])
    for i in range(SAMPLES):
        for j in range(SAMPLES):
            loss = loss + weights[:, i] * weights[:, j] * (middle[:, i] - middle[:, j]).abs()
    return loss + (weights.square() * edges.diff(dim=1)).sum(1) / 3


def bound_by_pairs(edges: Tensor, envelope_edges: Tensor, envelope_weights: Tensor) -> Tensor:
    """Return the bound of eq. 12 of each interval, pair by pair."""
    bounds = []
    for i in range(SAMPLES):
        bound = torch.zeros_like(envelope_weights[:, 0])
        for j in range(SAMPLES):
            overlaps = (envelope_edges[:, j] < edges[:, i + 1]) & (envelope_edges[:, j + 1] > edges[:, i])
            bound = bound + torch.where(overlaps, envelope_weights[:, j], 0.0)
        bounds.append(bound)
    return torch.stack(bounds, dim=1)


def interlevel(weights: Tensor, bound: Tensor) -> Tensor:
    """Return eq. 13 of each ray."""
    return ((weights - bound).clamp(min=0.0).square() / (weights + torch.finfo(torch.float32).eps)).sum(1)


def with_gradient(loss: Callable[[Tensor], Tensor], weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return a loss and its gradient by weights."""
    leaf = weights.detach().requires_grad_()
    value = loss(leaf)
    torch.autograd.backward(value.sum())
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def compared(name: str, rays: int, ours: Callable[[], object], loops: Callable[[], object], device: str) -> object:
    """Hold both against each other, in value and gradient, and time them."""
    for found, wanted in zip(ours(), loops(), strict=True):  # type: ignore[call-overload]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    taken = taken_in_turn(
        {"compiled": lambda: [ours() for _ in range(AT_ONCE)], "loops": loops}, device=device, repeats=7
    )
    taken["compiled"] = [seconds / AT_ONCE for seconds in taken["compiled"]]
    return {
        "loss": name,
        "rays": rays,
        "samples": SAMPLES,
        "seconds": medians(taken),
        "ratio_quartiles": ratios(taken, of="compiled")["loops"],
    }


def run(device: str, peer: object) -> list[object]:
    """Measure both losses for as many rays as the port takes at once, and for a batch."""
    del peer
    results = []
    for rays in (64, 1024):
        edges, weights, outer_edges, outer_weights = histograms(rays, device)
        offsets = torch.arange(rays + 1, device=device) * SAMPLES
        starts, ends = edges[:, :-1].flatten(), edges[:, 1:].flatten()

        def spread(w: Tensor, starts: Tensor = starts, ends: Tensor = ends, offsets: Tensor = offsets) -> Tensor:
            return distortion(w.flatten(), starts, ends, offsets)

        def outer(w: Tensor, e: Tensor = edges, own: Tensor = weights, o: Tensor = outer_edges) -> Tensor:
            return interlevel_loss(e, own, o, w)

        def outer_by_pairs(w: Tensor, e: Tensor = edges, own: Tensor = weights, o: Tensor = outer_edges) -> Tensor:
            return interlevel(own, bound_by_pairs(e, o, w))

        def spread_by_pairs(w: Tensor, e: Tensor = edges) -> Tensor:
            return distortion_by_pairs(e, w)

        pairs = (("distortion", spread, spread_by_pairs, weights), ("interlevel", outer, outer_by_pairs, outer_weights))
        for name, ours, loops, of in pairs:
            works = [lambda f=f, of=of: with_gradient(f, of) for f in (ours, loops)]  # type: ignore[misc]
            results.append(compared(name, rays, works[0], works[1], device))
    return results
