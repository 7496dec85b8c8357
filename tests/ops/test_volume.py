"""Compositing and distortion of packed samples."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.volume import composite, distortion


def packed(counts: list[int], generator: Generator, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """Return densities, colors, starts, ends and offsets of rays with so many samples."""
    offsets = torch.tensor([0, *counts]).cumsum(0)
    total = int(offsets[-1])
    lengths = 0.01 + 0.05 * torch.rand(total, generator=generator, dtype=dtype)
    ends = 2 + lengths.cumsum(0)
    densities = 40 * torch.rand(total, generator=generator, dtype=dtype) ** 3
    return densities, torch.rand(total, 3, generator=generator, dtype=dtype), ends - lengths, ends, offsets


SHAPES = [[], [0], [1], [0, 0, 0], [3, 0, 1, 200, 0], [64, 65, 128, 1]]


def test_three_samples_by_hand(backend: str) -> None:
    # Opacities 1/2, 3/4 and 1/2: transmittances 1, 1/2 and 1/8, so weights 1/2, 3/8 and 1/16.
    densities = torch.tensor([math.log(2), 2 * math.log(4), math.log(2)])
    starts, ends = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([1.0, 1.5, 3.0])
    colors = torch.eye(3)
    weights, color, opacity, depth_sum = composite(densities, colors, starts, ends, torch.tensor([0, 3]))
    torch.testing.assert_close(weights, torch.tensor([1 / 2, 3 / 8, 1 / 16]))
    torch.testing.assert_close(color, weights[None])
    torch.testing.assert_close(opacity, torch.tensor([15 / 16]))
    torch.testing.assert_close(depth_sum, torch.tensor([0.5 * 0.5 + 1.25 * 3 / 8 + 2.5 / 16]))


def test_a_ray_ends_where_too_little_light_is_left(backend: str) -> None:
    densities, ends = torch.full((4,), math.log(4)), torch.arange(1.0, 5.0)
    samples = (densities, torch.ones(4, 3), ends - 1, ends, torch.tensor([0, 4]))
    weights, _, opacity, _ = composite(*samples, transmittance_threshold=0.1)
    torch.testing.assert_close(weights, torch.tensor([3 / 4, 3 / 16, 0, 0]))  # 1/16 of the light is below 0.1
    assert opacity.item() == pytest.approx(15 / 16)


def test_a_thin_sample_weighs_its_optical_depth(backend: str) -> None:
    weights = composite(torch.tensor([1e-7]), torch.ones(1, 3), torch.zeros(1), torch.ones(1), torch.tensor([0, 1]))[0]
    assert weights.item() == pytest.approx(1e-7, rel=1e-5)  # 1 - exp(-x) in float32 would be off by a fifth


def test_splitting_samples_changes_nothing(backend: str, generator: Generator) -> None:
    densities, colors, starts, ends, offsets = packed([5, 3], generator)
    middle = 0.5 * (starts + ends)
    twice = (densities.repeat_interleave(2), colors.repeat_interleave(2, 0))
    fine_starts, fine_ends = torch.stack([starts, middle], 1).view(-1), torch.stack([middle, ends], 1).view(-1)
    _, coarse, *_ = composite(densities, colors, starts, ends, offsets)
    _, fine, *_ = composite(twice[0], twice[1], fine_starts, fine_ends, 2 * offsets)
    torch.testing.assert_close(fine, coarse)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e6, 1e30])
def test_values_and_gradients_are_finite_for_any_density(backend: str, scale: float, generator: Generator) -> None:
    densities, colors, starts, ends, offsets = packed([20, 0, 7], generator)
    densities = (densities * scale).requires_grad_()
    colors.requires_grad_()
    weights, color, opacity, depth_sum = composite(densities, colors, starts, ends, offsets)
    loss = color.sum() + opacity.sum() + depth_sum.sum() + distortion(weights, starts, ends, offsets).sum()
    for tensor in (weights, color, opacity, depth_sum, *torch.autograd.grad(loss, (densities, colors))):
        assert tensor.isfinite().all()
    assert (opacity <= 1 + 1e-6).all()


def test_the_definition_has_the_right_gradients(generator: Generator) -> None:
    densities, colors, starts, ends, offsets = packed([3, 0, 5], generator, torch.float64)
    arguments = (densities.requires_grad_(), colors.requires_grad_())
    assert torch.autograd.gradcheck(lambda d, c: composite(d, c, starts, ends, offsets), arguments)
    assert torch.autograd.gradcheck(lambda w: distortion(w, starts, ends, offsets), (densities,))


@pytest.mark.parametrize("threshold", [0.0, 0.05])
@pytest.mark.parametrize("counts", SHAPES, ids=str)
def test_backends_agree_on_compositing(
    agree: Callable[..., None], generator: Generator, counts: list[int], threshold: float
) -> None:
    densities, colors, starts, ends, offsets = packed(counts, generator)
    agree(
        lambda d, c: composite(d, c, starts, ends, offsets, transmittance_threshold=threshold),
        (densities.requires_grad_(), colors.requires_grad_()),
    )


@pytest.mark.parametrize("counts", SHAPES, ids=str)
def test_backends_agree_on_distortion(agree: Callable[..., None], generator: Generator, counts: list[int]) -> None:
    _, _, starts, ends, offsets = packed(counts, generator)
    weights = torch.rand(len(starts), generator=generator).requires_grad_()
    agree(lambda w: distortion(w, starts, ends, offsets), (weights,), tolerance=3e-5)


def test_distortion_is_the_double_sum_of_the_paper(backend: str, generator: Generator) -> None:
    densities, _, starts, ends, offsets = packed([9], generator)
    w, m = densities, 0.5 * (starts + ends)
    expected = (w[:, None] * w * (m[:, None] - m).abs()).sum() + (w * w * (ends - starts)).sum() / 3
    torch.testing.assert_close(distortion(w, starts, ends, offsets)[0], expected, rtol=1e-5, atol=0.0)


def test_distortion_does_not_depend_on_where_the_ray_begins(backend: str, generator: Generator) -> None:
    weights, _, starts, ends, offsets = packed([30, 4], generator)
    near = distortion(weights, starts, ends, offsets)
    far = distortion(weights, starts + 64, ends + 64, offsets)
    torch.testing.assert_close(far, near, rtol=1e-3, atol=1e-3)


def test_views_are_composited_like_copies(backend: str, generator: Generator) -> None:
    densities, colors, starts, ends, offsets = packed([4, 6], generator)
    wide = torch.stack([densities, starts, ends], dim=1)
    views = (wide[:, 0], colors.t().contiguous().t(), wide[:, 1], wide[:, 2], offsets)
    for found, wanted in zip(composite(*views), composite(densities, colors, starts, ends, offsets), strict=True):
        assert torch.equal(found, wanted)


def test_wrong_tensors_get_a_sentence(backend: str, unchecked_shapes: None, generator: Generator) -> None:
    densities, colors, starts, ends, offsets = packed([4, 6], generator)
    with pytest.raises(ValueError, match=r"composite: colors has shape \(9, 3\), expected \(samples=10, 3\)"):
        composite(densities, colors[:9], starts, ends, offsets)
    with pytest.raises(TypeError, match="composite: offsets is int32, expected int64"):
        composite(densities, colors, starts, ends, offsets.int())
    with pytest.raises(ValueError, match=r"transmittance_threshold is 1\.5, expected 0 or more and less than 1"):
        composite(densities, colors, starts, ends, offsets, transmittance_threshold=1.5)
    with pytest.raises(TypeError, match="distortion: weights is a list, expected a tensor"):
        distortion([1.0], starts, ends, offsets)  # type: ignore[arg-type]


@pytest.mark.parametrize("offsets", [[1, 10], [0, 4, 9], [0, 7, 4, 10], []], ids=str)
def test_offsets_that_leave_the_samples_are_refused(
    backend: str, unchecked_shapes: None, generator: Generator, offsets: list[int]
) -> None:
    densities, colors, starts, ends, _ = packed([10], generator)
    with pytest.raises(ValueError, match="offsets"):
        composite(densities, colors, starts, ends, torch.tensor(offsets, dtype=torch.int64))
    with pytest.raises(ValueError, match="offsets"):
        distortion(densities, starts, ends, torch.tensor(offsets, dtype=torch.int64))
