"""Compositing and distortion loss, forward and backward, against vectorized PyTorch on padded samples."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from nsg_cluster.ops.volume import composite, distortion
from tests.benchmarks.measure import medians, ratios, taken_in_turn

RAYS, MEAN_SAMPLES = 8192, 48


def _padded(values: Tensor, counts: Tensor, longest: int) -> Tensor:
    mask = torch.arange(longest) < counts[:, None]
    out = torch.zeros(len(counts), longest, *values.shape[1:])
    out[mask] = values
    return out


def plain(densities: Tensor, colors: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Return the summed loss of padded samples: color, depth and the distortion loss by prefix sums."""
    width, middle = ends - starts, (starts + ends) / 2
    optical = densities * width
    transmittance = torch.exp(-(torch.cumsum(optical, dim=1) - optical))
    weights = (1 - torch.exp(-optical)) * transmittance
    color = (weights[..., None] * colors).sum(1)
    depth = (weights * middle).sum(1)
    before = torch.cumsum(weights, 1) - weights
    moment = torch.cumsum(weights * middle, 1) - weights * middle
    spread = 2 * weights * (middle * before - moment) + weights.square() * width / 3
    return color.square().sum() + depth.square().sum() + spread.sum()


def run(device: str, peer: Path | None) -> list[dict[str, object]]:
    """Measure both at 8192 rays with about 48 samples each."""
    del peer
    torch.manual_seed(0)
    counts = torch.randint(0, 2 * MEAN_SAMPLES + 1, (RAYS,))
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    total = int(offsets[-1])
    starts = torch.rand(total).sort().values * 4 + 2
    ends = starts + 0.01
    densities, colors = torch.rand(total) * 5, torch.rand(total, 3)
    longest = int(counts.max())
    padded = [_padded(values, counts, longest) for values in (densities, colors, starts, ends)]
    packed = [values.to(device) for values in (densities, colors, starts, ends, offsets)]

    def ours() -> None:
        sigma, rgb = packed[0].detach().requires_grad_(), packed[1].detach().requires_grad_()
        weights, color, _, depth = composite(sigma, rgb, packed[2], packed[3], packed[4])
        spread = distortion(weights, packed[2], packed[3], packed[4])
        torch.autograd.backward(color.square().sum() + depth.square().sum() + spread.sum())

    def reference() -> None:
        sigma, rgb = padded[0].detach().requires_grad_(), padded[1].detach().requires_grad_()
        torch.autograd.backward(plain(sigma, rgb, padded[2], padded[3]))

    works = {"ours": ours, "plain": reference} if device == "cpu" else {"ours": ours}
    taken = taken_in_turn(works, device=device, repeats=31)
    return [
        {
            "rays": RAYS,
            "samples": total,
            "seconds": medians(taken),
            "ratio_quartiles": ratios(taken, of="ours"),
        }
    ]
