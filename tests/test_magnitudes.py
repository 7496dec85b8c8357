"""Values and gradients are finite for input of any magnitude, 0 to 1e30: every public function that computes on floats.

A case takes a magnitude and returns leaves and what is computed from them. Where squares of the input are part of what
a function is asked for, it is held to 1e15.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nsg_cluster.fields import tone
from nsg_cluster.geometry import gaussians, normals, warps
from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.ops import adam, boxes, encode, frequency, histogram, lens, march, merge, mlp, occupancy, volume
from nsg_cluster.sampling import boxes as in_boxes
from nsg_cluster.sampling import cones, importance, stratified
from nsg_cluster.training import losses
from tests.ops.conftest import needs_kernels

MAGNITUDES = (0.0, 1e-38, 1e-30, 1e-15, 1e-6, 1.0, 1e6, 1e15, 1e30)
SQUARED = 1e15
"""The largest magnitude where a result holds squares of the input."""

Result = tuple[list[Tensor], list[Tensor]]
RAMP = torch.linspace(0.0, 1.0, 9)
OFFSETS = torch.tensor([0, 5, 5, 9])


def leaf(values: Tensor) -> Tensor:
    return values.detach().clone().requires_grad_()


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def of(function: Callable[..., object], *leaves: Tensor) -> Result:
    found = function(*leaves)
    outputs = list(found) if isinstance(found, tuple) else [found]
    return list(leaves), [output for output in outputs if isinstance(output, Tensor) and output.is_floating_point()]


def composited(m: float, *, merged: bool) -> Result:
    ends = 0.1 + 3 * RAMP
    samples = (ends - 0.1, ends, OFFSETS)
    if not merged:
        return of(lambda d, c: volume.composite(d, c, *samples), leaf(m * draw(9)), leaf(draw(9, 3)))
    order = torch.arange(9).flip(0)
    return of(
        lambda d, c: volume.composite_merged(d, c, *samples, order=order, places=RAMP),
        *(leaf(m * draw(9)), leaf(draw(9, 3))),
    )


def frustum(m: float, shape: str) -> Result:
    rays = Rays(
        origins=torch.zeros(1, 3), directions=torch.tensor([[0.6, 0.0, 0.8]]), radii=torch.full((1,), 1e-3),
        images=torch.zeros(1, dtype=torch.long),
    )  # fmt: skip

    def moments(starts: Tensor) -> tuple[Tensor, ...]:
        samples = RaySamples(
            starts=starts, ends=2 * starts, rays=torch.zeros(9, dtype=torch.long), offsets=torch.tensor([0, 9])
        )
        found = gaussians.frustums(rays, samples, shape=shape)
        axes = torch.eye(3)
        contracted = gaussians.contracted_along(found, axes, center=torch.zeros(3), scale=1.0)
        return found.means, found.along, found.across, *gaussians.along(found, axes), *contracted

    return of(moments, leaf(m * RAMP))


def hits(m: float) -> Result:
    maps = torch.cat([torch.eye(3), torch.zeros(3, 1)], dim=1)[None]
    first, table = torch.zeros(9, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long)
    directions = draw(9, 3) - 0.5
    found = [boxes.box_hits(m * draw(9, 3), -directions, first, maps, table)]
    found.append(boxes.box_hits(draw(9, 3), m * directions, first, maps, table))
    return [], [part for parts in found for part in parts[:2]]


def marched(m: float) -> Result:
    found = march.march_occupancy(
        *(m * (draw(9, 3) - 0.5), torch.nn.functional.normalize(draw(9, 3) - 0.5, dim=1)),
        *(m * RAMP, m * RAMP + 1), occupied=torch.full((64,), 255, dtype=torch.uint8), resolution=8, cascades=1,
        box=torch.tensor([[-1.0, -1, -1], [1, 1, 1]]), step_min=0.1, step_max=0.1, cone_angle=0.0,
    )  # fmt: skip
    near, far = march.intersect_box(m * draw(9, 3), draw(9, 3) - 0.5, torch.tensor([[-1.0] * 3, [1.0] * 3]))
    return [], [near, far, *found[:2]]


def stepped(m: float) -> Result:
    state = [torch.ones(9), torch.zeros(9), torch.zeros(9)]
    adam.adam_step(
        state[0], m * draw(9), *state[1:], step=1, learning_rate=1e-2, betas=(0.9, 0.99), eps=1e-15, skip_zeros=False
    )
    return [], state


def placed(m: float) -> Result:
    index = torch.arange(9)
    found = in_boxes.BoxHits(
        rays=index, rows=index, objects=index, entries=m * RAMP, exits=2 * m * RAMP, of_rays=index,
        offsets=torch.arange(10),
    )  # fmt: skip
    return [], [*in_boxes.place_in_boxes(found, 3, kind="points"), *in_boxes.place_in_boxes(found, 3, kind="intervals")]


def spaced(m: float, spacing: warps.Spacing) -> Result:
    near, far = torch.full((1,), 1e-3), torch.full((1,), 2 * m + 1)

    def there_and_back(t: Tensor) -> tuple[Tensor, Tensor]:
        s = warps.to_spacing(t, near, far, spacing)
        return s, warps.from_spacing(s.clamp(0, 1), near, far, spacing)

    return of(there_and_back, leaf(near[:, None] + (far - near)[:, None] * RAMP))


def resampled(m: float) -> Result:
    edges, weights, shares = RAMP[None], m * draw(1, 8), torch.linspace(0, 1, 20)[None]
    found = [histogram.sample_histogram(m * edges, weights, shares)]
    found += histogram.dilate_histogram(edges, weights, 0.01, lowest=0.0, highest=1.0)
    found += [cones.resampled_edges(m * edges, cones.blurred(weights)), importance.resample(edges, weights, 5)]
    found.append(importance.resample_dilated(edges, weights.clamp(max=1), 5, dilation=0.01, padding=0.01, exponent=0.5))
    found += [stratified.refined(m * RAMP[None], m * draw(1, 9), 6), cones.stratified_edges(m * RAMP, 2 * m * RAMP, 4)]
    intervals, points = cones.intervals_on_rays(m * edges), stratified.points_on_rays(m * edges)
    return [], [*found, intervals.starts, intervals.ends, points.starts, points.ends]


def seen(m: float) -> Result:
    directions, radii = lens.camera_directions(
        torch.zeros(9, dtype=torch.long), m * draw(9, 2), torch.full((1, 2), 100.0), torch.full((1, 2), 50.0),
        distortion=torch.zeros(1, 6), lens="pinhole",
    )  # fmt: skip
    return [], [directions, radii]


def merged(m: float) -> Result:
    starts, none = m * RAMP, torch.zeros(4, dtype=torch.long)
    found = merge.merge_by_depth(
        *(starts, 2 * starts, OFFSETS, none[:0], none), per_hit=1, background_is_points=True, hits_are_points=True
    )
    return [], list(found[:3])


LAYOUT = encode.HashGridLayout(levels=3, features=2, log2_table_size=8, base_resolution=4, max_resolution=16)
TABLE = draw(LAYOUT.num_entries, 2)
EDGES = RAMP[None]
COLORS = (draw(9, 3), draw(9, 3, seed=1))
CASES: dict[str, tuple[Callable[[float], Result], float]] = {
    "adam.adam_step": (stepped, SQUARED),
    "boxes.box_hits": (hits, 1e30),
    "encode.hash_encode": (lambda m: of(lambda t: encode.hash_encode(draw(9, 3), t, LAYOUT), leaf(m * TABLE)), 1e30),
    "encode.spherical_harmonics": (
        lambda m: of(
            lambda d: encode.spherical_harmonics(torch.nn.functional.normalize(d, dim=1), 8),
            leaf(torch.tensor([[1.0, m, m], [m, 1.0, 0.0]])),
        ),
        SQUARED,
    ),
    "encode.trunc_exp": (lambda m: of(encode.trunc_exp, leaf(-m * RAMP)), 1e30),
    "frequency.frequency_encode": (
        lambda m: of(lambda x: frequency.frequency_encode(x, 8), leaf(m * draw(9, 3))),
        1e30,
    ),
    "frequency.integrated_encode": (
        lambda m: of(lambda x, v: frequency.integrated_encode(x, v, 8), leaf(m * draw(9, 3)), leaf(m * draw(9, 3))),
        1e30,
    ),
    "histogram.interlevel_loss": (
        lambda m: of(
            lambda w: histogram.interlevel_loss(EDGES, m * draw(1, 8).abs(), EDGES.square(), w), leaf(draw(1, 8))
        ),
        1e30,
    ),
    "histogram.sample_histogram": (resampled, 1e30),
    "histogram.dilate_histogram": (resampled, 1e30),
    "lens.camera_directions": (seen, SQUARED),
    "march.intersect_box": (marched, 1e30),
    "march.march_occupancy": (marched, 1e30),
    "merge.merge_by_depth": (merged, 1e30),
    "mlp.mlp": (
        lambda m: of(lambda x, a, b: mlp.mlp(x, [a, b]), leaf(m * draw(1, 3)), leaf(draw(8, 3)), leaf(draw(2, 8))),
        1e30,
    ),
    "occupancy.update_occupancy": (
        lambda m: ([], [occupancy.update_occupancy(m * draw(9), torch.arange(9), m * draw(9, seed=1), 0.95)]),
        1e30,
    ),
    "volume.composite": (lambda m: composited(m, merged=False), 1e30),
    "volume.composite_merged": (lambda m: composited(m, merged=True), 1e30),
    "volume.distortion": (
        lambda m: of(lambda w: volume.distortion(w, m * RAMP, 2 * m * RAMP, OFFSETS), leaf(draw(9) / 9)),
        1e30,
    ),
    "gaussians.frustums": (lambda m: frustum(m, "cone"), 1e30),
    "gaussians.along": (lambda m: frustum(m, "cylinder"), 1e30),
    "gaussians.contracted_along": (lambda m: frustum(m, "cone"), 1e30),
    "normals.reflected": (lambda m: of(normals.reflected, leaf(m * (draw(9, 3) - 0.5)), leaf(COLORS[1])), 1e30),
    "normals.unit_normals": (lambda m: of(normals.unit_normals, leaf(m * (draw(9, 3) - 0.5))), SQUARED),
    "tone.srgb": (lambda m: of(tone.srgb, leaf(m * COLORS[0])), 1e30),
    **{
        f"warps.contract {norm}": (
            lambda m, norm=norm: of(lambda x: warps.contract(x, norm), leaf(m * (draw(9, 3) - 0.5))),  # type: ignore[misc]
            1e30,
        )
        for norm in ("none", "l2", "linf")
    },
    **{
        f"warps.uncontract {norm}": (
            lambda m, norm=norm: of(  # type: ignore[misc]
                lambda x: warps.uncontract(x, norm), leaf((2 - 1 / max(m, 1)) * torch.eye(3)[:2] * min(m, 0.999999))
            ),
            1e30,
        )
        for norm in ("none", "l2", "linf")
    },
    "warps.to_unit_cube": (
        lambda m: of(
            lambda x: warps.to_unit_cube(x, torch.tensor([[-1.0] * 3, [1.0] * 3]), "l2"), leaf(m * (draw(9, 3) - 0.5))
        ),
        1e30,
    ),
    "warps.to_spacing linear": (lambda m: spaced(m, "linear"), 1e30),
    "warps.from_spacing disparity": (lambda m: spaced(m, "disparity"), SQUARED),
    "warps.from_spacing piecewise": (lambda m: spaced(m, "piecewise"), 1e30),
    "boxes.place_in_boxes": (placed, 1e30),
    "cones.blurred": (lambda m: of(cones.blurred, leaf(m * draw(1, 8))), 1e30),
    "cones.intervals_on_rays": (resampled, 1e30),
    "cones.resampled_edges": (resampled, 1e30),
    "cones.stratified_edges": (resampled, 1e30),
    "importance.resample": (resampled, 1e30),
    "importance.resample_dilated": (resampled, 1e30),
    "stratified.points_on_rays": (resampled, 1e30),
    "stratified.refined": (resampled, 1e30),
    "losses.mean_squared_error": (
        lambda m: of(lambda c: losses.mean_squared_error(c, COLORS[1]), leaf(m * COLORS[0])),
        SQUARED,
    ),
    **{
        f"losses.photometric {kind}": (
            lambda m, kind=kind: of(lambda c: losses.photometric(kind, c, COLORS[1]), leaf(m * COLORS[0])),  # type: ignore[misc]
            SQUARED,
        )
        for kind in ("mse", "huber", "charbonnier")
    },
    "losses.sky_opacity": (lambda m: of(lambda o: losses.sky_opacity(o, RAMP > 0.5), leaf(m * RAMP)), 1e30),
    "losses.opacity_entropy": (lambda m: of(losses.opacity_entropy, leaf(m * RAMP)), 1e30),
    "losses.orientation": (
        lambda m: of(lambda w, along: losses.orientation(w, along, 3), leaf(draw(9)), leaf(m * (draw(9) - 0.5))),
        SQUARED,
    ),
}
PACKAGES = {
    "nsg_cluster.ops": (
        "adam",
        "boxes",
        "encode",
        "frequency",
        "histogram",
        "lens",
        "march",
        "merge",
        "mlp",
        "occupancy",
        "volume",
    ),
    "nsg_cluster.fields": ("tone",),
    "nsg_cluster.geometry": ("gaussians", "normals", "warps"),
    "nsg_cluster.sampling": ("boxes", "cones", "importance", "stratified"),
    "nsg_cluster.training": ("losses",),
}
ELSEWHERE = {
    "normals.slopes_at": "the gradient of what it is given",
    "march.march_rounds": "the samples of march_occupancy, which tests/ops/test_march.py holds it to",
    "boxes.find_hits": "box_hits, put in order",
    "occupancy.is_invisible": "returns flags",
    "march.morton_encode": "whole numbers", "march.morton_decode": "whole numbers",
    "march.pack_bits": "flags", "march.unpack_bits": "flags",
}  # fmt: skip


@pytest.mark.parametrize("kernels", ["torch", pytest.param("auto", marks=needs_kernels)])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_finite(name: str, kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_KERNELS", kernels)
    case, most = CASES[name]
    for magnitude in (magnitude for magnitude in MAGNITUDES if magnitude <= most):
        leaves, outputs = case(magnitude)
        assert all(output.isfinite().all() for output in outputs), f"values at {magnitude}"
        differentiable = [output.sum() for output in outputs if output.requires_grad]
        if differentiable:
            gradients = torch.autograd.grad(differentiable, leaves, allow_unused=True)
            assert all(grad is None or grad.isfinite().all() for grad in gradients), f"gradients at {magnitude}"


def test_every_public_function_on_floats_is_swept() -> None:
    swept = {name.split()[0] for name in (*CASES, *ELSEWHERE)}
    for package, names in PACKAGES.items():
        for name in names:
            module = importlib.import_module(f"{package}.{name}")
            public = {f"{name}.{word}" for word in module.__all__ if word[0].islower()}
            assert not public - swept, f"{package}: {sorted(public - swept)}"


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_contraction_brings_what_is_far_to_the_sphere_of_radius_two_whatever_its_distance(
    norm: warps.Contraction,
) -> None:
    for magnitude in (1e6, 1e15, 1e25, 1e30):
        point = warps.contract(torch.tensor([[0.6, 0.0, 0.8]]) * magnitude, norm)
        size = point.norm() if norm == "l2" else point.abs().max()
        assert float(size) == pytest.approx(2.0, abs=1e-5), magnitude


def test_distances_end_at_far_however_far_that_is() -> None:
    near, far, ends = torch.tensor([1e-3]), torch.tensor([1e6]), torch.tensor([[0.0, 1.0]])
    spacings: tuple[warps.Spacing, ...] = ("linear", "disparity")
    for spacing in spacings:
        assert torch.equal(warps.from_spacing(ends, near, far, spacing)[0], torch.cat([near, far]))
