"""NeRF with one pass and two, with and without time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from nsg_cluster.config.graph import NerfConfig
from nsg_cluster.models.build import build_model
from nsg_cluster.models.nerf import Nerf
from tests.models import street

SMALL = {"kind": "nerf", "field": street.SMALL_NERF, "samples": 6, "fine_samples": 10}


def model(**changes: Any) -> Nerf:
    built = build_model(NerfConfig.model_validate(SMALL | changes), street.scene(), seed=1)
    assert isinstance(built, Nerf)
    with torch.no_grad():
        for field in filter(None, (built.coarse, built.fine)):
            field.density_head.bias.fill_(4.0)
    return built


def test_the_fine_pass_looks_where_the_coarse_one_did_and_at_more_places() -> None:
    nerf, rays = model().eval(), street.rays(0)
    with torch.no_grad():
        rendering = nerf.render_rays(rays, background=torch.ones(len(rays), 3))
    assert len(rendering.samples) == 16 * len(rays)
    coarse = nerf.sampler.distances(rays, near=0.5, far=20.0)
    assert torch.isin(coarse, rendering.samples.starts.view(len(rays), -1)).all()
    assert (rendering.depth > 0).all() and (rendering.depth <= 20).all(), "the last point has an interval without end"
    assert rendering.coarse is not None and not torch.equal(rendering.coarse, rendering.color)
    assert model(fine_samples=0).eval().render_rays(rays, background=torch.ones(len(rays), 3)).coarse is None


@pytest.mark.parametrize("frequencies", [None, 2])
def test_only_a_network_that_is_told_the_moment_sees_frames_differ(frequencies: int | None) -> None:
    nerf = model(time_frequencies=frequencies).eval()
    rays = street.rays(0)
    later = replace(rays, frames=torch.ones_like(rays.images))
    with torch.no_grad():
        colors = [nerf.render_rays(each, background=torch.zeros(len(rays), 3)).color for each in (rays, later)]
    assert torch.equal(*colors) == (frequencies is None)


def test_both_networks_get_gradients() -> None:
    nerf, rays = model(time_frequencies=1).train(), street.rays(1)
    rendering = nerf.render_rays(rays, background=torch.zeros(len(rays), 3), generator=torch.Generator().manual_seed(0))
    assert rendering.coarse is not None
    torch.autograd.backward(rendering.color.sum() + rendering.coarse.sum())
    assert all(parameter.grad is not None for parameter in nerf.parameters())
