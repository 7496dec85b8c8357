"""Intervals of mip-NeRF."""

from __future__ import annotations

import torch

from nsg_cluster.sampling.cones import blurred, intervals_on_rays, resampled_edges, stratified_edges

NEAR, FAR = torch.tensor([1.0, 2.0]), torch.tensor([4.0, 10.0])


def test_first_edges_reach_from_near_to_far_and_jitter_within_their_shares() -> None:
    even = stratified_edges(NEAR, FAR, 6)
    torch.testing.assert_close(even[0], torch.linspace(1, 4, 7))
    inverse = stratified_edges(NEAR, FAR, 6, spacing="disparity")
    torch.testing.assert_close(1 / inverse[1], torch.linspace(1 / 2, 1 / 10, 7))
    drawn = stratified_edges(NEAR, FAR, 6, generator=torch.Generator().manual_seed(0))
    assert bool((drawn.diff(dim=1) >= 0).all())
    assert bool(((drawn[0] - even[0]).abs() <= 0.25 + 1e-6).all())
    assert not torch.equal(drawn[0], even[0])


def test_the_envelope_covers_each_interval_and_half_of_its_neighbors() -> None:
    weights = torch.tensor([[0.0, 0.0, 0.8, 0.0, 0.0, 0.2]])
    torch.testing.assert_close(blurred(weights), torch.tensor([[0.0, 0.4, 0.8, 0.4, 0.1, 0.2]]))


def test_new_edges_crowd_where_weights_are_large_and_stay_in_order() -> None:
    edges = stratified_edges(NEAR, FAR, 8)
    weights = torch.full((2, 8), 0.01)
    weights[:, 5] = 1.0
    for generator in (None, torch.Generator().manual_seed(3)):
        new = resampled_edges(edges, weights, generator=generator)
        assert new.shape == edges.shape
        assert bool((new.diff(dim=1) >= 0).all())
        inside = (new >= edges[:, 5:6]) & (new <= edges[:, 6:7])
        assert float(inside.float().mean()) > 0.8


def test_intervals_are_packed_ray_by_ray() -> None:
    samples = intervals_on_rays(stratified_edges(NEAR, FAR, 3))
    assert samples.rays.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.offsets.tolist() == [0, 3, 6]
    torch.testing.assert_close(samples.ends[:2], samples.starts[1:3])
