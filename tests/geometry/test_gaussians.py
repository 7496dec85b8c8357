"""Gaussians of cones: against sampling, explicit matrices, autograd's Jacobian, and at the ends of the number range."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nsg_cluster.geometry.directions import axes, icosahedral_axes
from nsg_cluster.geometry.gaussians import Frustums, along, contracted_along, frustums
from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.geometry.warps import contract


def one_ray(starts: Tensor, ends: Tensor, *, radius: float, direction: Tensor | None = None) -> tuple[Rays, RaySamples]:
    d = torch.tensor([0.0, 0.0, 1.0], dtype=starts.dtype) if direction is None else direction
    rays = Rays(
        origins=torch.zeros(1, 3, dtype=starts.dtype),
        directions=(d / d.norm())[None],
        radii=torch.tensor([radius], dtype=starts.dtype),
        images=torch.zeros(1, dtype=torch.int64),
    )
    zeros = torch.zeros(len(starts), dtype=torch.int64)
    samples = RaySamples(starts=starts, ends=ends, rays=zeros, offsets=torch.tensor([0, len(starts)]))
    return rays, samples


def some(count: int = 50, far: float = 4.0) -> Frustums:
    """Gaussians near and far, in float64."""
    generator = torch.Generator().manual_seed(0)
    means = far * torch.randn(count, 3, generator=generator, dtype=torch.float64)
    directions = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    along_ray, across = torch.rand(2, count, generator=generator, dtype=torch.float64)
    return Frustums(
        means=means, directions=directions / directions.norm(dim=1, keepdim=True), along=along_ray, across=across
    )


def covariances(g: Frustums) -> Tensor:
    outer = g.directions[:, :, None] * g.directions[:, None, :]
    across: Tensor = g.across[:, None, None] * (torch.eye(3, dtype=torch.float64) - outer)
    return g.along[:, None, None] * outer + across


def test_a_frustum_has_the_moments_of_points_drawn_from_it() -> None:
    start, end, radius = 1.0, 2.5, 0.4
    rays, samples = one_ray(torch.tensor([start]).double(), torch.tensor([end]).double(), radius=radius)
    found = frustums(rays, samples)
    # A cone's cross-section grows with the square of the distance: invert its distribution.
    generator = torch.Generator().manual_seed(1)
    u, v, w = torch.rand(3, 2_000_000, generator=generator, dtype=torch.float64)
    t = (start**3 + u * (end**3 - start**3)) ** (1 / 3)
    x = radius * t * v.sqrt() * torch.cos(2 * torch.pi * w)
    assert float(found.means[0, 2]) == pytest.approx(float(t.mean()), rel=2e-3)
    assert float(found.along[0]) == pytest.approx(float(t.var()), rel=5e-3)
    assert float(found.across[0]) == pytest.approx(float(x.var()), rel=5e-3)


def test_a_thin_piece_of_a_cone_is_a_disc_and_a_cylinder_has_the_same_width_everywhere() -> None:
    starts = torch.tensor([2.0, 5.0]).double()
    rays, samples = one_ray(starts, starts + 1e-9, radius=0.3)
    found = frustums(rays, samples)
    torch.testing.assert_close(found.across, (0.3 * starts).square() / 4)
    torch.testing.assert_close(found.along, torch.zeros(2).double(), rtol=0, atol=1e-15)
    tube = frustums(
        rays, RaySamples(starts=starts, ends=starts + 3, rays=samples.rays, offsets=samples.offsets), shape="cylinder"
    )
    assert tube.across.tolist() == pytest.approx([0.09 / 4] * 2)
    assert tube.along.tolist() == pytest.approx([9 / 12] * 2)


@pytest.mark.parametrize("magnitude", [0.0, 1e-20, 1e-6, 1.0, 1e6, 1e12, 1e18, 1e30])
def test_moments_and_gradients_are_finite_at_any_distance(magnitude: float) -> None:
    starts = (magnitude * torch.tensor([0.0, 1.0, 1.0])).requires_grad_()
    ends = magnitude * torch.tensor([1.0, 1.0, 2.0])
    rays, samples = one_ray(starts, ends, radius=1e-3)
    g = frustums(rays, samples)
    means, variances = contracted_along(g, icosahedral_axes(), center=torch.zeros(3), scale=1.0)
    (gradient,) = torch.autograd.grad(means.sum() + variances.sum(), starts)
    assert all(bool(t.isfinite().all()) for t in (g.along, g.across, means, variances, gradient))
    assert bool((g.along >= 0).all() and (g.across >= 0).all() and (variances >= 0).all())
    assert float(means.detach().abs().max()) <= 2.0


def test_moments_along_directions_are_those_of_the_matrices() -> None:
    g, basis = some(), icosahedral_axes().double()
    means, variances = along(g, basis)
    torch.testing.assert_close(means, g.means @ basis.T)
    torch.testing.assert_close(variances, torch.einsum("pi,nij,pj->np", basis, covariances(g), basis))


@pytest.mark.parametrize("far", [0.2, 1.0, 20.0])
def test_contracted_moments_are_those_of_autograds_jacobian(far: float) -> None:
    g, basis = some(far=far), icosahedral_axes().double()
    center, scale = torch.tensor([0.3, -0.2, 0.1]).double(), 1.7

    def moved(x: Tensor) -> Tensor:
        return contract((x[None] - center) / scale, "l2")[0]

    jacobians = torch.stack([torch.autograd.functional.jacobian(moved, x) for x in g.means])  # type: ignore[no-untyped-call]
    expected = torch.einsum("pi,nij,njk,nlk,pl->np", basis, jacobians, covariances(g), jacobians, basis)
    means, variances = contracted_along(g, basis, center=center, scale=scale)
    torch.testing.assert_close(means, torch.stack([moved(x) for x in g.means]) @ basis.T)
    torch.testing.assert_close(variances, expected)


def test_the_axes_are_as_many_as_in_the_paper_and_evenly_spread() -> None:
    assert [len(icosahedral_axes(divisions)) for divisions in (1, 2, 3)] == [6, 21, 46]
    basis = icosahedral_axes(2)
    torch.testing.assert_close(basis.norm(dim=1), torch.ones(21))
    # No direction is preferred: the second moment is a multiple of the identity.
    torch.testing.assert_close(basis.T @ basis, 7 * torch.eye(3), rtol=0, atol=1e-5)
    assert torch.equal(axes(), torch.eye(3))
