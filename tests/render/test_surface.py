"""Median depth and normals of rays, against known weights and shapes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.geometry.normals import slopes_at, unit_normals
from nsg_cluster.geometry.rays import Rays, RaySamples, midpoints
from nsg_cluster.render.rendering import HasMaterials, HasNormals, Materials, Rendering
from nsg_cluster.render.surface import median_depth, ray_materials, ray_normals
from nsg_cluster.render.volume import render_samples


def rendering(weights: list[float], counts: list[int], *, are_points: bool = False) -> Rendering:
    """Rays whose samples are intervals of length 1 from 10 on."""
    starts = torch.cat([torch.arange(float(count)) + 10 for count in counts])
    counted = torch.tensor([0, *counts])
    samples = RaySamples(
        starts=starts,
        ends=starts + 1,
        rays=torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)),
        offsets=counted.cumsum(0),
        are_points=are_points,
    )
    nothing = torch.zeros(len(counts))
    return Rendering(
        color=torch.zeros(len(counts), 3),
        opacity=nothing,
        depth=nothing,
        samples=samples,
        weights=torch.tensor(weights),
    )


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([0.2, 0.2, 0.6], 12 + 0.1 / 0.6),
        ([0.5, 0.0, 0.5], 12.0),
        ([0.0, 1.0, 0.0], 11.5),
        ([0.1, 0.1, 0.0], 11.0),
        ([0.0, 0.0, 0.0], 0.0),
    ],
)
def test_the_median_depth_is_where_half_of_what_is_stopped_has_been_stopped(
    weights: list[float], expected: float
) -> None:
    # A ray without samples before and after, and one more: none of them changes anything.
    rays = rendering([*weights, 0.3, 0.7], [0, 3, 2, 0])
    assert median_depth(rays).tolist() == pytest.approx([0.0, expected, 11 + 0.2 / 0.7, 0.0], abs=1e-6)


def test_the_median_of_points_is_a_point() -> None:
    assert median_depth(rendering([0.2, 0.5, 0.3], [3], are_points=True)).tolist() == [11.0]


def test_rays_without_any_sample_have_no_depth() -> None:
    assert median_depth(rendering([], [0, 0])).tolist() == [0.0, 0.0]


class Ball:
    """A soft ball of radius 1 around the origin."""

    def density(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
        return 50 * torch.sigmoid(20 * (1 - positions.norm(dim=1)))

    def normals(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        return unit_normals(slopes_at(self.density, midpoints(rays, samples)))

    def materials(self, rays: Rays, samples: RaySamples) -> Materials:
        places = midpoints(rays, samples)
        return Materials(diffuse=places.abs(), reflected=torch.full_like(places, 0.25), roughness=2 * places[:, 0])


def seen(model: Any, rays: Rays) -> Rendering:
    edges = torch.linspace(2, 6, 401)
    count = len(rays)
    samples = RaySamples(
        starts=edges[:-1].repeat(count),
        ends=edges[1:].repeat(count),
        rays=torch.arange(count).repeat_interleave(400),
        offsets=torch.arange(count + 1) * 400,
    )
    densities = model.density(midpoints(rays, samples))
    return render_samples(samples, densities, torch.zeros(len(samples), 3), background=torch.zeros(count, 3))


def test_materials_of_a_ball_are_those_of_its_surface_and_rays_beside_it_have_none() -> None:
    across = torch.tensor([[0.4, 0.1, 0.0], [3.0, 0.0, 0.0]])
    rays = Rays(
        origins=across + torch.tensor([0.0, 0.0, -4.0]),
        directions=torch.tensor([[0.0, 0.0, 1.0]]).expand(2, 3),
        radii=torch.ones(2),
        images=torch.zeros(2, dtype=torch.long),
    )
    ball = Ball()
    assert isinstance(ball, HasMaterials)
    found = seen(ball, rays)
    materials = ray_materials(ball, rays, found)
    place = rays.origins[0] + median_depth(found)[0] * rays.directions[0]
    torch.testing.assert_close(materials.diffuse[0], place.abs(), atol=0.02, rtol=0)
    torch.testing.assert_close(materials.reflected[0], torch.full((3,), 0.25))
    assert float(materials.roughness[0]) == pytest.approx(0.8)
    assert not materials.diffuse[1].any() and not materials.reflected[1].any() and float(materials.roughness[1]) == 0
    nothing = ray_materials(ball, rays[1:], seen(ball, rays[1:]))
    assert nothing.diffuse.tolist() == [[0.0, 0.0, 0.0]]


def test_the_normals_of_a_ball_are_radial_and_rays_beside_it_have_none() -> None:
    across = torch.tensor([[0.0, 0.0, 0.0], [0.4, 0.1, 0.0], [0.0, -0.7, 0.0], [3.0, 0.0, 0.0]])
    rays = Rays(
        origins=across + torch.tensor([0.0, 0.0, -4.0]),
        directions=torch.tensor([[0.0, 0.0, 1.0]]).expand(4, 3),
        radii=torch.ones(4),
        images=torch.zeros(4, dtype=torch.long),
    )
    ball = Ball()
    assert isinstance(ball, HasNormals)
    found = seen(ball, rays)
    normals = ray_normals(ball, rays, found)
    places = rays.origins + median_depth(found)[:, None] * rays.directions
    torch.testing.assert_close(normals[:3], places[:3] / places[:3].norm(dim=1, keepdim=True), atol=5e-3, rtol=0)
    assert normals[3].tolist() == [0.0, 0.0, 0.0]
    assert (places[:3].norm(dim=1) - 1).abs().max() < 0.1
