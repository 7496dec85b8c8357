"""One training step of the hash field: forward, backward and optimizer, on a given number of points.

The reference is the same step as PyTorch implementations write it: a full table at each level, the two corners of a
cell from floor and ceiling, one embedding lookup a level, dense Adam. ``--peer DIR`` adds a checkout of
HashNeRF-pytorch itself, its tensors kept on the CPU.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from nsg_cluster.config.schema import OptimizerConfig
from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.fields.radiance import HashRadianceField
from nsg_cluster.ops.encode import HashGridLayout, spherical_harmonics
from nsg_cluster.training.optimizer import build_optimizer
from tests.benchmarks.measure import COPY_BYTES, SGEMM_FLOP, Work, gauge_works, medians, ratios, taken_in_turn

LEVELS, FEATURES, LOG2_TABLE, BASE, FINEST = 16, 2, 19, 16, 2048
WIDTH, GEOMETRY, HARMONICS = 64, 15, 16
CORNERS = torch.tensor(list(product((0, 1), repeat=3)))
PRIMES = (1, 2654435761, 805459861)


class PlainHashGrid(nn.Module):
    """The hash grid as it is usually written in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        growth = (FINEST / BASE) ** (1 / (LEVELS - 1))
        self.resolutions = [int(BASE * growth**level) for level in range(LEVELS)]
        tables = [nn.Embedding(1 << LOG2_TABLE, FEATURES) for _ in range(LEVELS)]
        for table in tables:
            nn.init.uniform_(table.weight, -1e-4, 1e-4)
        self.tables = nn.ModuleList(tables)

    def forward(self, points: Tensor) -> Tensor:
        outputs = []
        for table, resolution in zip(self.tables, self.resolutions, strict=True):
            scaled = points * resolution
            ends = torch.stack([scaled.floor(), scaled.ceil()])
            share = scaled - ends[0]
            x, y, z = (ends[CORNERS[:, axis], :, axis].long() * PRIMES[axis] for axis in range(3))
            features = table((x ^ y ^ z) & ((1 << LOG2_TABLE) - 1))
            shares = torch.stack([1 - share, share])
            weight = torch.stack([shares[CORNERS[:, axis], :, axis] for axis in range(3)]).prod(0)
            outputs.append((weight[..., None] * features).sum(0))
        return torch.cat(outputs, dim=1)


class PlainField(nn.Module):
    """Hash grid, density network, color network, as PyTorch modules."""

    def __init__(self, grid: nn.Module) -> None:
        super().__init__()
        self.grid = grid
        self.density = nn.Sequential(
            nn.Linear(LEVELS * FEATURES, WIDTH, bias=False),
            nn.ReLU(),
            nn.Linear(WIDTH, 1 + GEOMETRY, bias=False),
        )
        self.color = nn.Sequential(
            nn.Linear(HARMONICS + GEOMETRY, WIDTH, bias=False),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH, bias=False),
            nn.ReLU(),
            nn.Linear(WIDTH, 3, bias=False),
        )

    def forward(self, points: Tensor, harmonics: Tensor) -> tuple[Tensor, Tensor]:
        out = self.density(self.grid(points))
        return out[:, 0].exp(), torch.sigmoid(self.color(torch.cat([harmonics, out[:, 1:]], dim=1)))


def ours(device: str) -> HashRadianceField:
    """Return the field of the package at the same size."""
    layout = HashGridLayout(
        levels=LEVELS, features=FEATURES, log2_table_size=LOG2_TABLE, base_resolution=BASE, max_resolution=FINEST
    )
    field = HashRadianceField(
        HashGrid(layout),
        torch.tensor([[0.0, 0, 0], [1, 1, 1]]),
        hidden_width=WIDTH,
        density_hidden_layers=1,
        color_hidden_layers=2,
        geometry_features=GEOMETRY,
        direction_degree=4,
    )
    return field.to(device)


@contextmanager
def _cuda_means_cpu() -> Iterator[None]:
    """Let a module that makes tensors on 'cuda' at import be imported without one."""
    make = torch.tensor

    def tensor(*args: Any, **kwargs: Any) -> Tensor:
        kwargs.pop("device", None)
        return make(*args, **kwargs)

    with mock.patch.object(torch, "tensor", tensor):
        yield


def _peer_grid(folder: Path) -> nn.Module:
    sys.path.insert(0, str(folder))
    # Its ray utilities need a package that the encoding does not.
    with _cuda_means_cpu(), mock.patch.dict(sys.modules, {"ray_utils": mock.MagicMock()}):
        from hash_encoding import HashEmbedder  # type: ignore[import-not-found]
    box = (torch.zeros(3), torch.ones(3))

    class Grid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = HashEmbedder(
                bounding_box=box,
                n_levels=LEVELS,
                n_features_per_level=FEATURES,
                log2_hashmap_size=LOG2_TABLE,
                base_resolution=BASE,
                finest_resolution=FINEST,
            )

        def forward(self, points: Tensor) -> Tensor:
            features: Tensor = self.inner(points)[0]
            return features

    return Grid()


def step_of(field: nn.Module, optimizer: torch.optim.Optimizer, points: Tensor, directions: Tensor) -> Work:
    """Return one step: the loss is the mean square of densities and colors.

    Directions are encoded beforehand: a training does it once a ray.
    """
    harmonics = spherical_harmonics(directions, 4)
    if isinstance(field, HashRadianceField):
        harmonics = harmonics.t().contiguous().t()  # as they are chosen for each sample

    def step() -> None:
        if isinstance(field, HashRadianceField):
            density, features = field.geometry(points)
            color = field.color(features, harmonics)
        else:
            density, color = field(points, harmonics)
        torch.autograd.backward(density.square().mean() + color.square().mean())
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def _floor(num_points: int) -> dict[str, int]:
    """Return what the step must move and compute.

    Bytes: each corner's features are read once forward; read and written once backward (the gradient of the table);
    the optimizer reads gradient, weight and two moments and writes three of them, for the entries touched (all
    entries at these sizes). Operations: three matrix products for each layer (forward, input and weight gradient).
    """
    corners = num_points * LEVELS * 8 * FEATURES * 4
    layout = HashGridLayout(
        levels=LEVELS, features=FEATURES, log2_table_size=LOG2_TABLE, base_resolution=BASE, max_resolution=FINEST
    )
    weights = layout.num_entries * FEATURES * 4
    layers = [
        (LEVELS * FEATURES, WIDTH),
        (WIDTH, 1 + GEOMETRY),
        (HARMONICS + GEOMETRY, WIDTH),
        (WIDTH, WIDTH),
        (WIDTH, 3),
    ]
    return {"bytes": 3 * corners + 7 * weights, "flop": 3 * sum(2 * a * b for a, b in layers) * num_points}


def _distance(taken: Mapping[str, list[float]], num_points: int) -> dict[str, object]:
    """Return how near the step comes to the machine's limits, measured in turn with it."""
    floor = _floor(num_points)
    shares = {}
    for name, unit, done in (("copy", "bytes", COPY_BYTES), ("sgemm", "flop", SGEMM_FLOP)):
        least = [floor[unit] * seconds / done for seconds in taken[name]]
        pairs = [a / b for a, b in zip(least, taken["ours"], strict=True)]
        shares[f"fraction_of_{name}"] = statistics.median(pairs)
    return {**floor, **shares}


def run(device: str, peer: Path | None) -> list[dict[str, object]]:
    """Measure the step at 2^17 and 2^18 points."""
    return [_measure(1 << log2_points, device, peer) for log2_points in (17, 18)]


def _measure(num_points: int, device: str, peer: Path | None) -> dict[str, object]:
    torch.manual_seed(0)
    points = torch.rand(num_points, 3, device=device)
    directions = nn.functional.normalize(torch.randn(num_points, 3, device=device), dim=1)
    fields: dict[str, nn.Module] = {"ours": ours(device)}
    if device == "cpu":
        fields["plain"] = PlainField(PlainHashGrid())
        if peer is not None:
            fields["hashnerf_pytorch"] = PlainField(_peer_grid(peer))
    works = {name: step_of(field, _optimizer(field), points, directions) for name, field in fields.items()}
    own = taken_in_turn({"ours": works["ours"], **gauge_works(device)}, device=device, repeats=15)
    taken = taken_in_turn(works, device=device, repeats=5)
    return {
        "points": num_points,
        "seconds": {**medians(taken), "ours": medians(own)["ours"]},
        "ratio_quartiles": ratios(taken, of="ours"),
        "limit": _distance(own, num_points),
    }


def _optimizer(field: nn.Module) -> torch.optim.Optimizer:
    if isinstance(field, HashRadianceField):
        return build_optimizer(field, OptimizerConfig())
    return torch.optim.Adam(field.parameters(), lr=1e-2, betas=(0.9, 0.99), eps=1e-15)
