"""NeRF with one pass and two, with and without time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from nsg_cluster.config.graph import NerfConfig
from nsg_cluster.fields.nerf import WorldNerf
from nsg_cluster.models.build import build_model
from nsg_cluster.models.nerf import Nerf
from nsg_cluster.models.one_field import OneField
from tests.models import street

SMALL = {"kind": "nerf", "field": street.SMALL_NERF, "samples": 6, "fine_samples": 10}
PROPOSAL = {
    "kind": "proposal",
    "rounds": [8],
    "samples": 6,
    "hash_grid": {"levels": 2, "log2_table_size": 8, "base_resolution": 4, "max_resolution": 16},
}


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


@pytest.mark.parametrize("sampler", [{"kind": "occupancy", "resolution": 16, "steps_per_diagonal": 48}, PROPOSAL])
def test_one_network_takes_either_sampler_of_instant_ngp(sampler: dict[str, Any]) -> None:
    config = NerfConfig.model_validate(SMALL | {"sampler": sampler})
    built, rays = build_model(config, street.scene(), seed=1), street.rays(0)
    assert isinstance(built, OneField) and isinstance(built.field, WorldNerf)
    with torch.no_grad():
        built.field.field.density_head.bias.fill_(1.0)
    background = torch.zeros(len(rays), 3)
    trained = built.train().render_rays(rays, background=background)
    torch.autograd.backward(trained.color.sum())
    assert all(parameter.grad is not None for parameter in built.field.field.parameters())
    evaluated = built.eval().render_rays(rays, background=background)
    assert torch.allclose(trained.color, evaluated.color, atol=1e-5)
    assert 0 < float(evaluated.opacity.mean()) < 1


def test_the_network_of_a_sampler_and_that_of_two_passes_say_the_same_of_a_point() -> None:
    one = build_model(NerfConfig.model_validate(SMALL | {"sampler": PROPOSAL}), street.scene(), seed=1)
    two = model(fine_samples=0)
    assert isinstance(one, OneField) and isinstance(one.field, WorldNerf)
    one.field.field.load_state_dict(two.coarse.state_dict())
    positions, ahead = torch.rand(20, 3) * 4, torch.tensor([[0.0, 0.6, 0.8]]).expand(20, 3)
    found, expected = one.probe(positions, ahead), two.probe(positions, ahead)
    assert torch.allclose(found[0], expected[0]) and torch.allclose(found[1], expected[1])
    assert torch.equal(one.field.density(positions), found[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time_frequencies": 2}, "the same at every time"),
        ({"field": {"density_noise": 1.0}}, "density_noise is of coarse and fine networks"),
    ],
)
def test_what_a_sampler_cannot_have_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NerfConfig.model_validate({"kind": "nerf", "sampler": PROPOSAL} | changes)
