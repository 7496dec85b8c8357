"""NeRF's coarse and fine samples."""

from __future__ import annotations

import pytest
import torch

from nsg_cluster.geometry.rays import midpoints
from nsg_cluster.sampling.stratified import StratifiedSampler, points_on_rays, refined
from tests.models import street


def test_points_run_from_near_to_far_evenly_in_distance_or_its_inverse() -> None:
    rays = street.rays(0)
    assert StratifiedSampler(3).distances(rays, near=1.0, far=5.0)[0].tolist() == pytest.approx([1, 3, 5])
    inverse = StratifiedSampler(3, spacing="disparity").distances(rays, near=1.0, far=5.0)[0]
    assert inverse.tolist() == pytest.approx([1, 1 / 0.6, 5])


def test_jitter_keeps_each_point_in_its_share() -> None:
    rays = street.rays(0)
    drawn = StratifiedSampler(5).distances(rays, near=0.0, far=4.0, generator=torch.Generator().manual_seed(0))
    assert (drawn.diff(dim=1) > 0).all() and drawn.min() >= 0 and drawn.max() <= 4
    assert (drawn[:, 1] >= 0.5).all() and (drawn[:, 1] <= 1.5).all()


def test_a_point_is_evaluated_where_it_stands() -> None:
    rays = street.rays(0)
    placed = StratifiedSampler(4).place(rays, near=1.0, far=7.0)
    expected = rays.directions[0, 0] * torch.tensor([1.0, 3.0, 5.0, 7.0])
    torch.testing.assert_close(midpoints(rays, placed.samples)[:4, 0], expected)
    assert points_on_rays(torch.tensor([[1.0, 2.0]])).ends.tolist() == pytest.approx([2.0, 1e10])


def test_more_points_go_where_weights_are() -> None:
    distances = torch.linspace(0, 10, 11)[None]
    weights = torch.zeros(1, 11)
    weights[0, 7] = 1.0
    more = refined(distances, weights, 100)
    assert more.shape == (1, 111) and (more.diff(dim=1) >= 0).all()
    inside = (more > 6.5 - 1e-4) & (more < 7.5 + 1e-4)
    assert int(inside.sum()) >= 97
