"""Compositing against closed forms, and its two ways against each other."""

from __future__ import annotations

import math

import pytest
import torch

from nsg_cluster.geometry.rays import RaySamples
from nsg_cluster.render.volume import keep_samples, render_in_rounds, render_samples, visible


def packed(counts: list[int], step: float = 0.1, near: float = 2.0) -> RaySamples:
    total = sum(counts)
    numbers = torch.tensor(counts)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), numbers.cumsum(0)])
    rays = torch.repeat_interleave(torch.arange(len(counts)), numbers)
    starts = near + step * (torch.arange(total) - offsets[rays])
    return RaySamples(starts=starts, ends=starts + step, rays=rays, offsets=offsets)


def scene(counts: list[int]) -> tuple[RaySamples, torch.Tensor, torch.Tensor, torch.Tensor]:
    samples, generator = packed(counts), torch.Generator().manual_seed(0)
    densities = 8 * torch.rand(len(samples), generator=generator) ** 4
    colors = torch.rand(len(samples), 3, generator=generator)
    return samples, densities, colors, torch.rand(len(counts), 3, generator=generator)


def test_a_box_of_constant_density_has_the_opacity_of_beer_and_lambert() -> None:
    density, length = 1.7, 2.0
    samples = packed([1000], step=length / 1000)
    color, background = torch.tensor([0.2, 0.5, 0.9]), torch.tensor([[1.0, 0.0, 0.3]])
    rendering = render_samples(samples, torch.full((1000,), density), color.expand(1000, 3), background=background)
    through = math.exp(-density * length)
    assert float(rendering.opacity) == pytest.approx(1 - through, rel=1e-4)
    expected = (1 - through) * color + through * background[0]
    assert torch.allclose(rendering.color[0], expected, atol=1e-5)
    # Mean of an exponential distribution cut off at the length of the box.
    depth = 2.0 + 1 / density - length * through / (1 - through)
    assert float(rendering.depth) == pytest.approx(depth, rel=1e-4)


def test_a_ray_without_samples_shows_the_background_at_depth_0() -> None:
    samples, densities, colors, background = scene([0, 5, 0])
    for rendering in (
        render_samples(samples, densities, colors, background=background),
        render_in_rounds(samples, lambda chosen: (densities[chosen], colors[chosen]), background=background,
                         transmittance_threshold=0.0),
    ):  # fmt: skip
        assert torch.equal(rendering.color[[0, 2]], background[[0, 2]])
        assert rendering.opacity[[0, 2]].tolist() == [0, 0] and rendering.depth[[0, 2]].tolist() == [0, 0]


@pytest.mark.parametrize("points_per_round", [1, 40, 10_000])
def test_rounds_give_what_one_pass_gives(points_per_round: int) -> None:
    counts = [0, 7, 60, 1, 0, 33, 4, 90]
    samples, densities, colors, background = scene(counts)
    whole = render_samples(samples, densities, colors, background=background)
    rounds = render_in_rounds(
        samples,
        lambda chosen: (densities[chosen], colors[chosen]),
        background=background,
        transmittance_threshold=0.0,
        points_per_round=points_per_round,
    )
    for name in ("color", "opacity", "depth", "weights"):
        assert torch.allclose(getattr(whole, name), getattr(rounds, name), atol=2e-6), name


def test_nothing_is_evaluated_behind_what_is_opaque_and_little_is_lost() -> None:
    samples, densities, colors, background = scene([200] * 50)
    evaluated = []

    def evaluate(chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        evaluated.append(len(chosen))
        return densities[chosen], colors[chosen]

    whole = render_samples(samples, densities, colors, background=background)
    early = render_in_rounds(
        samples, evaluate, background=background, transmittance_threshold=1e-2, points_per_round=400
    )
    assert (early.color - whole.color).abs().max() < 1e-2
    assert sum(evaluated) < 0.4 * len(samples)
    assert max(evaluated) <= 400, "memory is bounded by the round, not by the rays"
    assert sum(evaluated) >= int((early.weights > 0).sum())


def test_visible_samples_are_those_that_light_reaches() -> None:
    samples, densities, colors, background = scene([0, 80, 50, 0, 90])
    weights = render_samples(samples, densities, colors, background=background).weights
    opacity = -torch.expm1(-densities * (samples.ends - samples.starts))
    light = weights / opacity
    kept = visible(samples, densities, 1e-2)
    clear = (light > 1.01e-2) | (light < 0.99e-2)
    assert torch.equal(kept[clear], (light > 1e-2)[clear])
    fewer = keep_samples(samples, kept)
    assert 0 < len(fewer) < len(samples)
    again = render_samples(fewer, densities[kept], colors[kept], background=background)
    assert torch.allclose(again.weights, weights[kept], atol=1e-6), "what is in front of a kept sample is kept too"
    assert fewer.offsets.diff().tolist() == torch.bincount(fewer.rays, minlength=5).tolist()


def test_gradients_reach_densities_and_colors_and_no_background_is_missed() -> None:
    samples, densities, colors, background = scene([3, 0, 12])
    densities.requires_grad_()
    colors.requires_grad_()
    rendering = render_samples(samples, densities, colors, background=background)
    rendering.color.sum().backward()  # type: ignore[no-untyped-call]
    assert densities.grad is not None and colors.grad is not None
    assert torch.allclose(colors.grad.sum(1), 3 * rendering.weights, atol=1e-6)
    step = 1e-2
    moved = densities.detach().clone()
    moved[1] += step
    other = render_samples(samples, moved, colors, background=background)
    slope = float((other.color.sum() - rendering.color.sum()).detach()) / step
    assert float(densities.grad[1]) == pytest.approx(slope, rel=2e-2, abs=1e-3)
