"""How density changes from place to place, for every kind of model, against differences of densities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from nsg_cluster.config.schema import ModelConfig
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.geometry.cameras import image_rays
from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.models.base import Model
from nsg_cluster.models.build import build_model
from nsg_cluster.models.mipnerf import MipNerf, MipNerf360
from nsg_cluster.sampling.cones import intervals_on_rays
from tests.training.tiny import tiny

FIELD = {"width": 16, "hidden_layers": 2, "bottleneck": 8, "color_width": 8, "frequencies": 3}
NERF = {"width": 16, "hidden_layers": 2, "skip": 0, "position_frequencies": 3}
HASH = {"levels": 3, "log2_table_size": 12, "base_resolution": 4, "max_resolution": 9}
OCCUPANCY = {"kind": "occupancy", "resolution": 16, "steps_per_diagonal": 48}
MODELS: dict[str, dict[str, Any]] = {
    "nerf": {"kind": "nerf", "field": NERF},
    "nerf, occupancy": {"kind": "nerf", "field": NERF, "sampler": OCCUPANCY},
    "hash": {"kind": "instant_ngp", "hash_grid": HASH},
    "hash, contracted": {"kind": "instant_ngp", "hash_grid": HASH, "contraction": "l2"},
    "mipnerf": {"kind": "mipnerf", "field": FIELD},
    "mipnerf360": {"kind": "mipnerf360", "field": FIELD | {"directions": "icosahedron"}},
}


def density_of(model: Model, rays: Rays, samples: RaySamples) -> torch.Tensor:
    """Return what `Model.density_slopes` is the slope of."""
    if isinstance(model, MipNerf | MipNerf360):
        return model.field.along(rays, samples)
    middle = (samples.starts + samples.ends) / 2
    positions = rays.origins[samples.rays] + middle[:, None] * rays.directions[samples.rays]
    return model.probe(positions, rays.directions[samples.rays])[0]


@pytest.mark.parametrize("kind", MODELS)
def test_slopes_are_those_of_the_density_in_the_world(kind: str) -> None:
    experiment = tiny()
    config = TypeAdapter(ModelConfig).validate_python(MODELS[kind])
    scene = load_scene(experiment.data)
    # Near the camera the contraction of space is at work: the box reaches to 1.2 and cameras stand at 4.
    model = build_model(config, scene, seed=3).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        for name, parameter in model.named_parameters():
            if name.endswith("density_head.bias"):
                parameter.add_(2.0)  # so that a ReLU does not cut it
    rays = image_rays(scene.test.cameras, 0)[torch.tensor([100, 119, 120, 136])]
    samples = intervals_on_rays(torch.tensor([[2.1, 2.3, 3.6, 3.8, 4.3]]).expand(4, 5))
    found = model.density_slopes(rays, samples)
    step = 2e-3
    for axis in range(3):
        shift = step * torch.eye(3)[axis]
        ahead, back = (
            density_of(model, replace(rays, origins=rays.origins + sign * shift), samples) for sign in (1, -1)
        )
        expected = ((ahead - back) / (2 * step)).detach()
        size = float(expected.abs().max())
        assert size > 1e-3
        # Piecewise linear layers and grids have edges, which a few of the samples may lie on.
        assert ((found[:, axis] - expected).abs() < 0.03 * size).float().mean() > 0.8, (kind, axis)
