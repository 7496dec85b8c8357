"""From a configuration to a model."""

from __future__ import annotations

import torch

from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.build import build_model
from nsg_cluster.models.instant_ngp import InstantNgp
from nsg_cluster.sampling.occupancy import OccupancySampler
from tests.training.tiny import tiny


def test_initial_weights_depend_on_the_seed_alone() -> None:
    experiment = tiny()
    scene = load_scene(experiment.data)
    before = torch.random.get_rng_state()
    tables = []
    for seed in (1, 1, 2):
        torch.rand(7)
        tables.append(build_model(experiment.model, scene, seed=seed).state_dict()["field.grid.table"])
    assert torch.equal(tables[0], tables[1]) and not torch.equal(tables[0], tables[2])
    torch.random.set_rng_state(before)


def test_the_sizes_are_those_of_the_configuration() -> None:
    experiment = tiny()
    model = build_model(experiment.model, load_scene(experiment.data))
    assert isinstance(model, InstantNgp)
    assert model.field.grid.layout.levels == 4 and model.field.grid.layout.max_resolution == 32
    assert isinstance(model.sampler, OccupancySampler) and model.sampler.grid.resolution == 16
    diagonal = float((model.field.box[1] - model.field.box[0]).norm())
    assert abs(model.sampler.grid.step * 48 - diagonal) < 1e-4
