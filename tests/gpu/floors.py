"""Time each CUDA kernel against the least that its bytes and operations take on this device.

``python -m tests.gpu.floors OUT.json``. Bytes count what must move: each input read once, each output written once.
Operations count those of matrix products. Both are divided by rates that are measured here, a large copy and a float32
matrix product; the larger time is the floor. A hash grid also reads and writes its entries at random:
``corner_floor_s`` counts the features of all eight corners at the rate of the copy, ``gather_floor_s`` at the rate at
which PyTorch gathers rows of that size. Times are medians of replays of a captured graph, so that they hold no time of
the CPU.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from nsg_cluster.ops.adam import adam_step
from nsg_cluster.ops.bits import pack_bits
from nsg_cluster.ops.boxes import box_hits
from nsg_cluster.ops.encode import HashGridLayout, hash_encode, spherical_harmonics, trunc_exp
from nsg_cluster.ops.frequency import integrated_encode
from nsg_cluster.ops.histogram import interlevel_loss, sample_histogram
from nsg_cluster.ops.march import march_occupancy
from nsg_cluster.ops.merge import merge_by_depth
from nsg_cluster.ops.mlp import mlp
from nsg_cluster.ops.volume import composite, distortion
from tests.gpu.device import why_not

Work = Callable[[], object]
REPEATS = 20
LAYOUT = HashGridLayout(levels=16, features=2, log2_table_size=19, base_resolution=16, max_resolution=2048)
POINTS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kernel, or one call of PyTorch to compare with."""

    name: str
    work: Work
    num_bytes: float
    num_flop: float = 0.0
    num_gathered_rows: float = 0.0
    """Rows of two numbers that are read, or added to, at random."""
    is_captured: bool = True
    """Whether it can be replayed as a graph: not if it waits for the device."""


def seconds(work: Work, *, is_captured: bool = True) -> float:
    """Return the median time on the device of one call."""
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    replay = work
    if is_captured:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                work()
            replay = graph.replay
        except RuntimeError as error:
            print(f"not captured, so the time holds that of the CPU: {error}", file=sys.stderr)
    taken = []
    for _ in range(REPEATS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        replay()
        end.record()
        torch.cuda.synchronize()
        taken.append(float(begin.elapsed_time(end)) / 1e3)
    return statistics.median(taken)


def copy_seconds(count: int) -> float:
    """Return how long a copy of float32 numbers takes; their memory is free again afterwards."""
    source = torch.randn(count, device="cuda")
    target = torch.empty_like(source)
    return seconds(lambda: target.copy_(source))


def rates() -> dict[str, float]:
    """Measure what the device can do: copy, multiply, gather and scatter."""
    copy_s = copy_seconds(1 << 29)
    a, b = (torch.randn(8192, 8192, device="cuda") for _ in range(2))
    sgemm_s = seconds(lambda: a @ b)
    table = torch.randn(LAYOUT.num_entries, 2, device="cuda")
    index = torch.randint(LAYOUT.num_entries, (1 << 24,), device="cuda")
    rows = torch.randn(len(index), 2, device="cuda")
    return {
        "copy_bytes_per_s": 2 * 4 * (1 << 29) / copy_s,
        "sgemm_flop_per_s": 2 * 8192**3 / sgemm_s,
        "gathered_rows_per_s": len(index) / seconds(lambda: table.index_select(0, index)),
        "scattered_rows_per_s": len(index) / seconds(lambda: table.index_add_(0, index, rows)),
    }


def size_of(*tensors: Tensor) -> int:
    """Return the bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def forward_and_backward(
    name: str,
    inputs: list[Tensor],
    run: Callable[[], Any],
    *,
    num_bytes: tuple[float, float],
    num_gathered_rows: float = 0.0,
) -> Iterator[Row]:
    """Return the row of an op, and that of the op with its gradient; rows are gathered in either direction."""
    yield Row(name=f"{name}, forward", work=run, num_bytes=num_bytes[0], num_gathered_rows=num_gathered_rows)
    wanted = [tensor for tensor in inputs if tensor.requires_grad]

    # A captured backward pass must be captured with its forward pass.
    def both() -> None:
        found = run()
        outputs = list(found) if isinstance(found, tuple) else [found]
        torch.autograd.grad(outputs, wanted, [torch.ones_like(output) for output in outputs])

    yield Row(name=f"{name}, both", work=both, num_bytes=sum(num_bytes), num_gathered_rows=2 * num_gathered_rows)


def hash_rows() -> Iterator[Row]:
    """Points at random, and along rays as in training."""
    table = torch.randn(LAYOUT.num_entries, 2, device="cuda").requires_grad_()
    origins = torch.rand(POINTS // 64, 1, 3, device="cuda")
    steps = torch.arange(64, device="cuda")[:, None] * (3**0.5 / 1024)
    along = (origins + normalize(torch.randn_like(origins), dim=2) * steps).clamp(0, 1).reshape(-1, 3)
    for kind, points in (("at random", torch.rand(POINTS, 3, device="cuda")), ("along rays", along)):
        encoded = POINTS * LAYOUT.width * 4
        yield from forward_and_backward(
            f"hash_encode {kind}",
            [table],
            partial(hash_encode, points, table, LAYOUT),
            num_bytes=(size_of(points, table) + encoded, size_of(points) + encoded + 2 * size_of(table)),
            num_gathered_rows=8 * LAYOUT.levels * POINTS,
        )


def tiny_cuda_nn_rows() -> Iterator[Row]:
    """The same grid in tiny-cuda-nn, where it is installed."""
    if find_spec("tinycudann") is None:
        return
    import tinycudann

    settings = {"otype": "HashGrid", "n_levels": 16, "n_features_per_level": 2, "log2_hashmap_size": 19}
    growth = (2048 / 16) ** (1 / 15)
    for dtype in (torch.float32, torch.float16):
        grid = tinycudann.Encoding(3, {**settings, "base_resolution": 16, "per_level_scale": growth}, dtype=dtype)
        points = torch.rand(POINTS, 3, device="cuda")
        yield Row(
            name=f"tinycudann {str(dtype).removeprefix('torch.')}, forward",
            work=partial(grid, points),
            num_bytes=size_of(points)
            + POINTS * LAYOUT.width * dtype.itemsize
            + LAYOUT.num_entries * 2 * dtype.itemsize,
            is_captured=False,
        )


def network_rows() -> Iterator[Row]:
    """The color network, fused, and as PyTorch multiplies it."""
    sizes = (31, 64, 64, 3)
    weights = [
        (torch.randn(outputs, inputs, device="cuda") * inputs**-0.5).requires_grad_()
        for inputs, outputs in pairwise(sizes)
    ]
    values = torch.randn(sizes[0], POINTS, device="cuda").t().requires_grad_()
    num_flop = 2.0 * POINTS * sum(weight.numel() for weight in weights)

    def plain() -> Tensor:
        hidden = values
        for weight in weights[:-1]:
            hidden = torch.relu(hidden @ weight.t())
        output: Tensor = hidden @ weights[-1].t()
        return output

    for name, run in (("mlp 31-64-64-3", lambda: mlp(values, weights)), ("the same in PyTorch", plain)):
        outer, hidden = size_of(values) + POINTS * 3 * 4, POINTS * 128 * 4
        yield Row(name=f"{name}, forward", work=run, num_bytes=outer + hidden, num_flop=num_flop)

        def both(run: Callable[[], Tensor] = run) -> None:
            output = run()
            torch.autograd.grad(output, [values, *weights], torch.ones_like(output))

        num_bytes = 2 * (outer + hidden) + size_of(values)
        yield Row(name=f"{name}, both", work=both, num_bytes=num_bytes, num_flop=3 * num_flop)


def volume_rows() -> Iterator[Row]:
    """Rays of 48 samples on average."""
    rays = POINTS // 12
    counts = torch.randint(0, 97, (rays,), device="cuda")
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    samples = int(offsets[-1])
    starts = torch.rand(samples, device="cuda").cumsum(0) * 1e-3
    ends = starts + 1e-3
    densities = (20 * torch.rand(samples, device="cuda")).requires_grad_()
    colors = torch.rand(samples, 3, device="cuda").requires_grad_()
    weights = torch.rand(samples, device="cuda").requires_grad_()
    yield from forward_and_backward(
        f"composite, {samples} samples",
        [densities, colors],
        lambda: composite(densities, colors, starts, ends, offsets),
        num_bytes=(28.0 * samples + 28.0 * rays, 44.0 * samples + 28.0 * rays),
    )
    yield from forward_and_backward(
        f"distortion, {samples} samples",
        [weights],
        lambda: distortion(weights, starts, ends, offsets),
        num_bytes=(12.0 * samples + 12.0 * rays, 16.0 * samples + 12.0 * rays),
    )


def other_rows() -> Iterator[Row]:
    """One pass over everything, or little more."""
    count = LAYOUT.num_entries * 2
    state = [torch.randn(count, device="cuda") for _ in range(3)]
    variance = torch.rand(count, device="cuda")
    settings: dict[str, Any] = {"step": 7, "learning_rate": 1e-2, "betas": (0.9, 0.99), "eps": 1e-15}
    yield Row(
        name="adam_step, every element",
        work=lambda: adam_step(state[0], state[1], state[2], variance, **settings),
        num_bytes=28.0 * count,
    )
    sparse = torch.where(torch.rand(count // 8, 1, device="cuda") < 0.1, torch.randn(count // 8, 8, device="cuda"), 0.0)
    gradient = torch.cat([sparse.flatten(), sparse.new_zeros(count % 8)])
    yield Row(
        name="adam_step, a tenth of the sectors",
        work=lambda: adam_step(state[0], gradient, state[2], variance, **settings, skip_zeros=True),
        num_bytes=4.0 * count + 2.4 * count,
    )
    x = torch.randn(1 << 26, device="cuda")
    yield Row(name="trunc_exp", work=lambda: trunc_exp(x), num_bytes=2 * size_of(x))
    directions = normalize(torch.randn(1 << 22, 3, device="cuda"), dim=1)
    yield Row(
        name="spherical_harmonics, degree 4",
        work=lambda: spherical_harmonics(directions, 4),
        num_bytes=19 / 3 * size_of(directions),
    )
    means, variances = (torch.rand(1 << 18, 21, device="cuda") for _ in range(2))
    yield Row(
        name="integrated_encode, 21 x 12",
        work=lambda: integrated_encode(means, variances, 12),
        num_bytes=26 * size_of(means),
    )
    edges = torch.rand(1 << 16, 65, device="cuda").sort(1).values
    masses, shares = torch.rand(1 << 16, 64, device="cuda"), torch.rand(1 << 16, 64, device="cuda").sort(1).values
    yield Row(
        name="sample_histogram, 64 of 64",
        work=lambda: sample_histogram(edges, masses, shares),
        num_bytes=size_of(edges, masses, shares, shares),
    )


def interlevel_rows() -> Iterator[Row]:
    """Thirty-two intervals of a ray, and a proposal of sixty-four."""
    rays = 1 << 16
    (edges, weights), (outer_edges, outer_weights) = (
        (torch.rand(rays, bins + 1, device="cuda").sort(1).values, torch.rand(rays, bins, device="cuda"))
        for bins in (32, 64)
    )
    outer_weights.requires_grad_()
    read, slopes = size_of(edges, outer_edges), size_of(weights)
    yield from forward_and_backward(
        "interlevel_loss, 32 of 64",
        [outer_weights],
        lambda: interlevel_loss(edges, weights, outer_edges, outer_weights),
        num_bytes=(
            read + size_of(weights, outer_weights) + slopes + 4.0 * rays,
            read + slopes + 4.0 * rays + size_of(outer_weights),
        ),
    )


def street_rows() -> Iterator[Row]:
    """A street of forty boxes, and the samples in those that are hit merged with sixty-four of the background."""
    rays, boxes, per_hit, behind = 1 << 17, 40, 7, 64
    directions = normalize(torch.randn(rays, 3, device="cuda") * torch.tensor([1.0, 0.1, 1.0], device="cuda"), dim=1)
    maps = torch.eye(3, 4, device="cuda").repeat(boxes, 1, 1)
    maps[:, :, 3] = 10 * (torch.rand(boxes, 3, device="cuda") - 0.5) * torch.tensor([1.0, 0.1, 1.0], device="cuda")
    zeros = torch.zeros(rays, dtype=torch.int64, device="cuda")
    table = torch.arange(boxes, device="cuda")[None]

    def hit() -> tuple[Tensor, ...]:
        return box_hits(torch.zeros_like(directions), directions, zeros, maps, table)

    entry, leave, _, _, hit_offsets = hit()
    yield Row(
        name=f"box_hits, {rays} rays, {len(entry)} hits of {boxes} boxes",
        work=hit,
        num_bytes=size_of(directions, directions, zeros, hit_offsets) + 24.0 * len(entry),
        is_captured=False,
    )
    steps = torch.linspace(0, 1, per_hit, device="cuda")
    behind_starts = (20 * torch.rand(rays, behind, device="cuda")).sort(1).values
    starts = torch.cat([behind_starts.flatten(), (entry[:, None] + (leave - entry)[:, None] * steps).flatten()])
    offsets, hits = torch.arange(rays + 1, device="cuda") * behind, torch.arange(len(entry), device="cuda")
    yield Row(
        name=f"merge_by_depth, {len(starts)} samples",
        work=lambda: merge_by_depth(
            *(starts, starts, offsets, hits, hit_offsets),
            per_hit=per_hit,
            background_is_points=True,
            hits_are_points=True,
        ),
        num_bytes=(4.0 + 28.0) * len(starts) + 8.0 * len(hits) + 3 * size_of(offsets),
        is_captured=False,
    )


def march_rows() -> Iterator[Row]:
    """A ball that fills a tenth of the box; the floor counts what is written."""
    resolution, rays = 128, 1 << 16
    generator = Generator().manual_seed(0)
    origins = 4 * normalize(torch.randn(rays, 3, generator=generator), dim=1)
    directions = normalize(2 * torch.rand(rays, 3, generator=generator) - 1 - origins, dim=1)
    axis = (torch.arange(resolution) + 0.5) / resolution * 2 - 1
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    ball = (x**2 + y**2 + z**2).sqrt() < 0.58
    # In Morton order, as the op expects it; a ball has the same bits whichever axis comes first.
    cells = torch.arange(resolution**3)
    places = torch.zeros(3, resolution**3, dtype=torch.int64)
    for bit in range(7):
        for axis_index in range(3):
            places[axis_index] |= (cells >> (3 * bit + axis_index) & 1) << bit
    occupied = pack_bits(ball[places[0], places[1], places[2]].cuda())
    tensors = [
        origins.cuda(),
        directions.cuda(),
        torch.zeros(rays, device="cuda"),
        torch.full((rays,), 9.0, device="cuda"),
    ]
    box = torch.tensor([[-1.0, -1, -1], [1, 1, 1]], device="cuda")
    step = 2 * 3**0.5 / 1024

    def work() -> tuple[Tensor, ...]:
        return march_occupancy(
            *tensors,
            occupied=occupied,
            resolution=resolution,
            cascades=1,
            box=box,
            step_min=step,
            step_max=step,
            cone_angle=0.0,
        )

    samples = len(work()[0])
    yield Row(
        name=f"march_occupancy, {rays} rays, {samples} samples",
        work=work,
        num_bytes=16.0 * samples + 48.0 * rays,
        is_captured=False,
    )


def measure(row: Row, device: dict[str, float]) -> dict[str, Any]:
    """Return the figures of a row."""
    taken = seconds(row.work, is_captured=row.is_captured)
    bytes_s, flop_s = row.num_bytes / device["copy_bytes_per_s"], row.num_flop / device["sgemm_flop_per_s"]
    figures: dict[str, Any] = {
        "name": row.name,
        "seconds": taken,
        "bytes": row.num_bytes,
        "flop": row.num_flop,
        "floor_s": max(bytes_s, flop_s),
        "fraction_of_floor": max(bytes_s, flop_s) / taken,
    }
    if row.num_gathered_rows:
        # Both directions: read in the first half of the rows, and read and written in the second.
        is_both = row.name.endswith("both")
        passes = 3 if is_both else 1
        once = row.num_gathered_rows / (2 if is_both else 1)
        figures["corner_floor_s"] = passes * once * 8 / device["copy_bytes_per_s"]
        figures["gather_floor_s"] = once / device["gathered_rows_per_s"] + (
            once / device["scattered_rows_per_s"] if is_both else 0
        )
        figures["fraction_of_corner_floor"] = figures["corner_floor_s"] / taken
        figures["fraction_of_gather_floor"] = figures["gather_floor_s"] / taken
    return figures


def table_line(figures: dict[str, Any]) -> str:
    """Return a line for people."""
    corner = figures.get("fraction_of_corner_floor")
    beside = f"   of the corners' {100 * corner:5.1f} %" if corner is not None else ""
    return (
        f"{figures['name']:48s} {1e6 * figures['seconds']:9.1f} us   floor {1e6 * figures['floor_s']:8.1f} us "
        f"{100 * figures['fraction_of_floor']:6.1f} %{beside}"
    )


def main() -> int:
    """Measure everything, print a table, write the figures."""
    if (reason := why_not()) is not None:
        print(f"nothing to measure: {reason}", file=sys.stderr)
        return 1
    torch.manual_seed(0)
    device = rates()
    sources = (
        *(hash_rows, tiny_cuda_nn_rows, network_rows, volume_rows, other_rows),
        *(interlevel_rows, street_rows, march_rows),
    )
    rows: list[dict[str, Any]] = []
    for source in sources:
        for row in source():
            rows.append(measure(row, device))
            print(table_line(rows[-1]), flush=True)
    document = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "rates": device, "rows": rows}
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(document, indent=1) + "\n")
    print(
        f"copy {device['copy_bytes_per_s'] / 1e12:.2f} TB/s, sgemm {device['sgemm_flop_per_s'] / 1e12:.1f} TFLOP/s, "
        f"gather {device['gathered_rows_per_s'] / 1e9:.1f} G rows/s, "
        f"scatter {device['scattered_rows_per_s'] / 1e9:.1f} G rows/s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
