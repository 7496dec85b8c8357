"""One case for each op: how it is called, on which input, in what it is differentiable, and how exact it must be.

Input is drawn on the CPU in float32. The definition gets the same numbers in float64, so that its result is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from nsg_cluster.ops.bits import morton_decode, morton_encode, pack_bits, unpack_bits
from nsg_cluster.ops.boxes import box_hits
from nsg_cluster.ops.encode import HashGridLayout, hash_encode, spherical_harmonics, trunc_exp
from nsg_cluster.ops.frequency import frequency_encode, integrated_encode
from nsg_cluster.ops.histogram import dilate_histogram, interlevel_loss, sample_histogram
from nsg_cluster.ops.lens import camera_directions
from nsg_cluster.ops.march import intersect_box
from nsg_cluster.ops.merge import merge_by_depth
from nsg_cluster.ops.mlp import mlp
from nsg_cluster.ops.occupancy import is_invisible, update_occupancy
from nsg_cluster.ops.volume import composite, composite_merged, distortion

__all__ = ["CASES", "SIZES", "Case", "flags", "packed_rays"]

Inputs = dict[str, Tensor]
SIZES = (0, 1, 2, 33, 5000)


@dataclass(frozen=True, kw_only=True)
class Case:
    """An op with input of a given size."""

    name: str
    run: Callable[..., Tensor | tuple[Tensor, ...]]
    """Takes the inputs by name."""
    draw: Callable[[int, Generator], Inputs]
    differentiable: tuple[str, ...] = ()
    tolerance: float = 1e-5
    """Of the norm of the error, relative to that of the result."""
    order_varies: bool = False
    """Sums meet in no fixed order, so the last bits of gradients differ from call to call."""


def uniform(*shape: int, generator: Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Draw numbers between two limits."""
    return low + (high - low) * torch.rand(*shape, generator=generator)


def packed_rays(rays: int, generator: Generator) -> Inputs:
    """Draw samples of rays: every third ray has none, one has many."""
    counts = torch.randint(0, 90, (rays,), generator=generator)
    counts[::3] = 0
    if rays > 2:
        counts[2] = 1000
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    steps = uniform(int(offsets[-1]), generator=generator, low=0.001, high=0.02)
    ends = steps.cumsum(0)
    owners = torch.repeat_interleave(torch.arange(rays), counts)
    before = torch.cat([torch.zeros(1), ends])[offsets[owners]]
    return {"starts": ends - steps - before, "ends": ends - before, "offsets": offsets}


def _composite(rays: int, generator: Generator) -> Inputs:
    samples = packed_rays(rays, generator)
    count = len(samples["starts"])
    densities = uniform(count, generator=generator, high=30.0)
    densities[::7] = 0.0
    return {"densities": densities, "colors": uniform(count, 3, generator=generator), **samples}


def _nodes(rays: int, generator: Generator, per_hit: int = 5) -> Inputs:
    samples, hits_of = packed_rays(rays, generator), torch.randint(0, 4, (rays,), generator=generator)
    entries = uniform(int(hits_of.sum()), 1, generator=generator)
    within = entries + uniform(len(entries), per_hit, generator=generator).sort(1).values
    starts = torch.cat([samples["starts"], within.flatten()])
    return {
        "starts": starts,
        "ends": starts + 0.01,
        "offsets": samples["offsets"],
        "hits": torch.randperm(len(entries), generator=generator),
        "hit_offsets": torch.cat([torch.zeros(1, dtype=torch.int64), hits_of.cumsum(0)]),
    }


def _composite_merged(rays: int, generator: Generator) -> Inputs:
    samples = _composite(rays, generator)
    places = 0.9 * samples["starts"] + 0.1 * samples["ends"]
    return {**samples, "order": torch.randperm(len(places), generator=generator), "places": places}


def _distortion(rays: int, generator: Generator) -> Inputs:
    samples = packed_rays(rays, generator)
    return {"weights": uniform(len(samples["starts"]), generator=generator, high=0.1), **samples}


def _hash_case(features: int, log2_table_size: int, max_resolution: int, differentiable: tuple[str, ...]) -> Case:
    layout = HashGridLayout(
        levels=5,
        features=features,
        log2_table_size=log2_table_size,
        base_resolution=4,
        max_resolution=max_resolution,
    )

    def draw(points: int, generator: Generator) -> Inputs:
        positions = uniform(points, 3, generator=generator, low=-0.02, high=1.02)
        # Half of the points follow one another closely, as samples of a ray do.
        positions[points // 2 :] = 0.3 + 0.4 * torch.linspace(0, 1, points - points // 2)[:, None]
        table = uniform(layout.num_entries, features, generator=generator, low=-1)
        return {"points": positions, "table": table}

    return Case(
        name=f"hash_encode-{features}-{log2_table_size}-{max_resolution}",
        run=lambda points, table: hash_encode(points, table, layout),
        draw=draw,
        differentiable=differentiable,
        # Where a point stands within a cell is known to the rounding of its place on the level.
        tolerance=5e-7 * max_resolution,
        order_varies=True,
    )


def _mlp_case(*sizes: int) -> Case:
    names = tuple(f"weight_{layer}" for layer in range(len(sizes) - 1))

    def draw(points: int, generator: Generator) -> Inputs:
        weights = {
            name: torch.randn(outputs, inputs, generator=generator) * inputs**-0.5
            for name, inputs, outputs in zip(names, sizes, sizes[1:], strict=False)
        }
        return {"values": torch.randn(points, sizes[0], generator=generator), **weights}

    return Case(
        name=f"mlp-{'-'.join(map(str, sizes))}",
        run=lambda values, **weights: mlp(values, [weights[name] for name in names]),
        draw=draw,
        differentiable=("values", *names),
        order_varies=True,
    )


def _histogram(rays: int, generator: Generator, bins: int = 37) -> Inputs:
    steps = uniform(rays, bins, generator=generator, low=0.01)
    edges = torch.cat([torch.zeros(rays, 1), steps.cumsum(1)], dim=1)
    weights = uniform(rays, bins, generator=generator)
    weights[::5] = 0.0
    return {"edges": edges / edges[:, -1:], "weights": weights}


def _sample(rays: int, generator: Generator) -> Inputs:
    return {**_histogram(rays, generator), "shares": uniform(rays, 50, generator=generator).sort(1).values}


def _envelope(rays: int, generator: Generator) -> Inputs:
    coarse = _histogram(rays, generator, bins=21)
    return {
        **_histogram(rays, generator),
        "envelope_edges": coarse["edges"],
        "envelope_weights": coarse["weights"],
    }


def _rays(rays: int, generator: Generator) -> Inputs:
    directions = normalize(torch.randn(rays, 3, generator=generator), dim=1)
    directions[1::4, 1] = 0.0
    return {"origins": uniform(rays, 3, generator=generator, low=-3, high=3), "directions": directions}


def _box(rays: int, generator: Generator) -> Inputs:
    inputs = _rays(rays, generator)
    inputs["origins"][1::8, 1] = -0.5  # within a face, along it
    return {**inputs, "box": torch.tensor([[-1.0, -0.5, -2.0], [1.5, 1.0, 0.5]])}


def _boxes(rays: int, generator: Generator, rows: int = 60) -> Inputs:
    turns = torch.linalg.qr(torch.randn(rows, 3, 3, generator=generator)).Q
    maps = torch.cat([turns, uniform(rows, 3, 1, generator=generator, low=-3, high=3)], dim=2)
    return {
        **_rays(rays, generator),
        "frames": torch.randint(0, 5, (rays,), generator=generator),
        "world_to_box": maps,
        "table": torch.randint(-1, rows, (5, 40), generator=generator),
    }


def _pixels(rays: int, generator: Generator) -> Inputs:
    return {
        "images": torch.randint(0, 3, (rays,), generator=generator),
        "pixels": uniform(rays, 2, generator=generator, high=400.0),
        "focal_px": uniform(3, 2, generator=generator, low=300, high=500),
        "center_px": uniform(3, 2, generator=generator, low=190, high=210),
        "distortion": uniform(3, 6, generator=generator, low=-0.02, high=0.02),
    }


def _lens_case(lens: str) -> Case:
    return Case(
        name=f"camera_directions-{lens}",
        run=lambda distortion, **inputs: camera_directions(**inputs, distortion=distortion, lens=lens),
        draw=_pixels,
        # The radius is a small difference of directions.
        tolerance=1e-4,
    )


def _visits(cells: int, generator: Generator) -> Inputs:
    grid = uniform(cells, generator=generator, high=2.0)
    grid[::11] = -1.0
    visits = torch.randint(0, max(cells, 1), (3 * cells,), generator=generator)
    return {"grid": grid, "cells": visits, "values": uniform(len(visits), generator=generator, high=2.0)}


def flags(count: int, generator: Generator) -> Inputs:
    """Draw flags, eight for each of ``count`` bytes."""
    return {"flags": torch.rand(8 * count, generator=generator) < 0.4}


def _views(points: int, generator: Generator) -> Inputs:
    turns = torch.linalg.qr(torch.randn(5, 3, 3, generator=generator)).Q
    return {
        "points": uniform(points, 3, generator=generator, low=-1),
        "camera_to_world": torch.cat([turns, 3 * turns[:, :, 2:]], dim=2),
        "focal_px": torch.full((5, 2), 80.0),
        "center_px": torch.full((5, 2), 50.0),
    }


CASES = (
    Case(
        name="trunc_exp",
        run=trunc_exp,
        draw=lambda n, g: {"x": uniform(n, generator=g, low=-30, high=30)},
        differentiable=("x",),
    ),
    *(
        Case(
            name=f"spherical_harmonics-{degree}",
            run=lambda directions, degree=degree: spherical_harmonics(directions, degree),
            draw=lambda n, g: {"directions": normalize(torch.randn(n, 3, generator=g), dim=1)},
            differentiable=("directions",),
        )
        for degree in range(1, 9)
    ),
    *(_hash_case(features, 10, 64, ("points", "table")) for features in (1, 2, 4, 8)),
    _hash_case(2, 16, 2048, ("table",)),
    _mlp_case(32, 64, 16),
    _mlp_case(31, 64, 64, 3),
    _mlp_case(3, 1),
    _mlp_case(5, 17, 9, 33, 2),
    _mlp_case(128, 128, 128, 7),
    _mlp_case(40, 300, 3),
    Case(name="composite", run=composite, draw=_composite, differentiable=("densities", "colors")),
    Case(
        name="composite-threshold",
        run=lambda **inputs: composite(**inputs, transmittance_threshold=1e-2),
        draw=_composite,
        differentiable=("densities", "colors"),
    ),
    *(
        Case(
            name=f"composite_merged-{threshold}",
            run=lambda threshold=threshold, **inputs: composite_merged(**inputs, transmittance_threshold=threshold),
            draw=_composite_merged,
            differentiable=("densities", "colors"),
        )
        for threshold in (0.0, 1e-2)
    ),
    *(
        Case(
            name=f"merge_by_depth-{'points' if is_points else 'intervals'}",
            run=lambda is_points=is_points, **inputs: merge_by_depth(
                **inputs, per_hit=5, background_is_points=False, hits_are_points=is_points
            ),
            draw=_nodes,
            tolerance=1e-4,
        )
        for is_points in (False, True)
    ),
    Case(name="distortion", run=distortion, draw=_distortion, differentiable=("weights",), tolerance=1e-4),
    Case(
        name="frequency_encode",
        run=lambda values: frequency_encode(values, 10),
        draw=lambda n, g: {"values": uniform(n, 3, generator=g, low=-1)},
        differentiable=("values",),
        tolerance=1e-4,
    ),
    Case(
        name="integrated_encode",
        run=lambda means, variances: integrated_encode(means, variances, 12),
        draw=lambda n, g: {
            "means": uniform(n, 21, generator=g, low=-1),
            "variances": uniform(n, 21, generator=g, high=1e-3),
        },
        differentiable=("means", "variances"),
        tolerance=1e-4,
    ),
    Case(name="sample_histogram", run=sample_histogram, draw=_sample),
    Case(
        name="dilate_histogram",
        run=lambda edges, weights: dilate_histogram(edges, weights, 0.003, lowest=0.0, highest=1.0),
        draw=_histogram,
        tolerance=1e-4,
    ),
    Case(name="interlevel_loss", run=interlevel_loss, draw=_envelope, differentiable=("envelope_weights",)),
    *(_lens_case(lens) for lens in ("pinhole", "opencv", "fisheye")),
    Case(name="intersect_box", run=intersect_box, draw=_box),
    Case(name="box_hits", run=box_hits, draw=_boxes, tolerance=1e-4),
    Case(
        name="update_occupancy",
        run=lambda grid, cells, values: update_occupancy(grid, cells, values, 0.95),
        draw=_visits,
    ),
    Case(
        name="is_invisible",
        run=lambda **inputs: is_invisible(**inputs, width=100, height=100, near=2.0),
        draw=_views,
    ),
    Case(name="pack_bits", run=pack_bits, draw=flags),
    Case(
        name="unpack_bits",
        run=unpack_bits,
        draw=lambda n, g: {"packed": torch.randint(0, 256, (n,), dtype=torch.uint8, generator=g)},
    ),
    Case(
        name="morton_encode",
        run=morton_encode,
        draw=lambda n, g: {"cells": torch.randint(0, 1 << 21, (n, 3), generator=g)},
    ),
    Case(
        name="morton_decode",
        run=morton_decode,
        draw=lambda n, g: {"codes": torch.randint(0, 1 << 62, (n,), generator=g)},
    ),
)
