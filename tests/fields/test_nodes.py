"""Nodes of many objects at once compute what each of them would alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nsg_cluster.config.graph import SceneGraphConfig
from nsg_cluster.fields.backgrounds import HashBackground, NerfBackground
from nsg_cluster.fields.nerf import NerfField
from nsg_cluster.fields.nodes import HashNodes, NerfNodes, NodePoints, NodesField
from nsg_cluster.models.build import build_model
from tests.models import street


def points(objects: list[int]) -> NodePoints:
    generator = torch.Generator().manual_seed(0)
    count = len(objects)
    directions = torch.randn(count, 3, generator=generator)
    return NodePoints(
        positions=torch.rand(2 * count, 3, generator=generator) * 2 - 1,
        hits=torch.arange(count).repeat_interleave(2),
        directions=directions / directions.norm(dim=1, keepdim=True),
        objects=torch.tensor(objects),
        places=torch.randn(count, 3, generator=generator),
        per_hit=2,
    )


def part(whole: NodePoints, hit: int) -> NodePoints:
    return NodePoints(
        positions=whole.positions[2 * hit : 2 * hit + 2],
        hits=torch.zeros(2, dtype=torch.long),
        directions=whole.directions[hit : hit + 1],
        objects=whole.objects[hit : hit + 1],
        places=whole.places[hit : hit + 1],
        per_hit=2,
    )


def nodes(config: dict[str, Any]) -> NodesField:
    return street.graph(config).objects


@pytest.mark.parametrize("config", [street.NSG, street.FAST], ids=["nsg", "nsg_fast"])
def test_all_at_once_is_one_after_another(config: dict[str, Any]) -> None:
    field, whole = nodes(config), points([0, 0, 1, 1, 1])
    density, color = field(whole)
    for hit in range(5):
        alone, alone_color = field(part(whole, hit))
        torch.testing.assert_close(density[2 * hit : 2 * hit + 2], alone)
        torch.testing.assert_close(color[2 * hit : 2 * hit + 2], alone_color)
    assert isinstance(field, NerfNodes | HashNodes)


@pytest.mark.parametrize("config", [street.NSG, street.FAST], ids=["nsg", "nsg_fast"])
def test_objects_differ(config: dict[str, Any]) -> None:
    field = nodes(config)
    first, second = points([0, 1]), points([1, 1])
    assert not torch.equal(field(part(first, 0))[0], field(part(second, 0))[0])


def test_backgrounds_know_their_density_without_a_direction() -> None:
    positions, directions = torch.randn(4, 3), torch.eye(3)
    owners = torch.tensor([0, 0, 1, 2])
    field = NerfField(width=8, hidden_layers=2, skip=0, condition=27)
    built = street.graph(street.FAST).background
    assert isinstance(built, HashBackground)
    for background in (built, NerfBackground(field, direction_frequencies=4, center=torch.ones(3), scale=2.0)):
        density, color = background(positions, owners, directions)
        torch.testing.assert_close(density, background.density(positions))
        assert color.shape == (4, 3)


def test_a_model_is_built_from_the_seed_alone() -> None:
    config = SceneGraphConfig.model_validate(street.FAST)
    one, same, other = (build_model(config, street.scene(), seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert any(not torch.equal(value, other[name]) for name, value in one.items())
