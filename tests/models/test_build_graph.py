"""From the configuration of a scene graph to its nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from nsg_cluster.config.graph import SceneGraphConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.models.build import build_model
from nsg_cluster.models.build_graph import build_nodes, node_order
from nsg_cluster.models.parts import build_occupancy
from nsg_cluster.models.per_object import PerObject
from nsg_cluster.models.sky import Sky
from nsg_cluster.sampling.occupancy import OccupancySampler
from tests.models import street


def config(**changes: Any) -> SceneGraphConfig:
    return SceneGraphConfig.model_validate(street.FAST | changes)


def test_nodes_are_numbered_class_by_class_and_rows_follow() -> None:
    assert node_order(street.tracks()).tolist() == [1, 0]
    graph = street.graph(street.FAST)
    assert graph.tracks == (3, 7) and graph.classes == ("car", "truck")
    assert graph.observed.objects.tolist() == [1, 1, 0]


def test_a_scene_without_tracks_is_a_background() -> None:
    for tracks in (None, street.tracks().kept(torch.zeros(3, dtype=torch.bool))):
        scene = replace(street.scene(), tracks=tracks)
        graph = build_model(config(), scene).eval()
        rays = street.rays(0)
        with torch.no_grad():
            rendering = graph.render_rays(rays, background=torch.zeros(len(rays), 3))
        assert rendering.color.isfinite().all() and len(rendering.samples) == 6 * len(rays)


@pytest.mark.parametrize(
    "sampler",
    [
        {"kind": "stratified", "samples": 9},
        {"kind": "occupancy", "resolution": 16, "steps_per_diagonal": 48},
        {"kind": "planes", "samples": 4},
    ],
    ids=lambda sampler: sampler["kind"],
)
@pytest.mark.parametrize("contraction", ["none", "linf"])
def test_any_sampler_goes_with_a_hash_field(sampler: dict[str, Any], contraction: str) -> None:
    field = street.FAST["background"]["field"] | {"contraction": contraction}
    graph = build_model(config(background={"field": field, "sampler": sampler}), street.scene()).train()
    rays = street.rays(1)
    rendering = graph.render_rays(
        rays, background=torch.zeros(len(rays), 3), generator=torch.Generator().manual_seed(0)
    )
    graph.before_step(16, torch.Generator().manual_seed(0))
    assert rendering.color.isfinite().all() and float(rendering.opacity.detach().max()) > 0
    if isinstance(graph.sampler, OccupancySampler):
        assert graph.sampler.grid.cascades == (1 if contraction == "none" else 3), "rays end at 20, half a side is 8"


def test_impossible_combinations_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValidationError, match="share 'class' needs latent"):
        config(objects={"share": "class", "latent": 0})
    with pytest.raises(ValidationError, match=r"skip .7. must be at most hidden_layers - 2 .6."):
        config(background={"field": {"kind": "nerf", "skip": 7}})
    background = street.FAST["background"] | {"sampler": {"kind": "stratified", "spacing": "disparity"}}
    with pytest.raises(ConfigError, match=r"'disparity' needs data.near to be more than 0"):
        build_model(config(background=background), replace(street.scene(), near=0.0))


def test_nodes_of_one_class_share_a_grid_and_differ_by_their_latents() -> None:
    same = replace(street.tracks(), class_names=("car",), classes=torch.zeros(2, dtype=torch.long))
    nodes = build_nodes(config(objects=street.FAST["objects"] | {"share": "class"}).objects, same)
    names = [name for name, _ in nodes.named_parameters() if "table" in name]
    assert names == ["grids.0.table"] and nodes.latents is not None and len(nodes.latents) == 2


def test_small_parts_do_what_they_say() -> None:
    assert PerObject(3, is_refined=False).pose_parameters() == []
    assert len(PerObject(3, is_refined=True).pose_parameters()) == 2
    sky = Sky()(torch.nn.functional.normalize(torch.randn(5, 3), dim=1))
    assert sky.shape == (5, 3) and sky.min() > 0 and sky.max() < 1
    from nsg_cluster.config.model import OccupancyConfig

    built = build_occupancy(OccupancyConfig(resolution=16, skip_unseen=True), street.scene(), bound=1.0)
    assert 0 < built.grid.occupied_share < 1, "what is behind the cameras is never visited"
