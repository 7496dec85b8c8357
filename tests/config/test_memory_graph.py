"""The parameters that are counted are those that are built."""

from __future__ import annotations

from typing import Any

import pytest

from nsg_cluster.config.graph import NerfConfig, SceneGraphConfig
from nsg_cluster.config.memory_graph import floats_of_a_ray, network_parameters


@pytest.mark.parametrize("config", [{"kind": "scene_graph"}, {"kind": "nerf"}], ids=["scene_graph", "nerf"])
def test_counted_parameters_are_near_those_of_the_model(config: dict[str, Any]) -> None:
    build = pytest.importorskip("nsg_cluster.models.build", reason="the launcher alone is installed")
    from tests.models import street

    parsed: SceneGraphConfig | NerfConfig
    parsed = (SceneGraphConfig if config["kind"] == "scene_graph" else NerfConfig).model_validate(config)
    built = build.build_model(parsed, street.scene())
    # The street has two classes, and networks of objects count once.
    actual = sum(parameter.numel() for parameter in built.parameters())
    twice = sum(parameter.numel() for name, parameter in built.named_parameters() if name.startswith("objects")) // 2
    assert network_parameters(parsed) == pytest.approx(actual - twice, rel=0.15)


def test_a_ray_takes_more_floats_with_more_samples_and_wider_networks() -> None:
    small = floats_of_a_ray(SceneGraphConfig.model_validate({"kind": "scene_graph"}))
    more = {"kind": "scene_graph", "objects": {"samples": 14}}
    planes = {"kind": "scene_graph", "background": {"sampler": {"kind": "planes", "samples": 12}}}
    assert small < floats_of_a_ray(SceneGraphConfig.model_validate(more))
    assert small < floats_of_a_ray(SceneGraphConfig.model_validate(planes))
    wide = NerfConfig.model_validate({"kind": "nerf", "field": {"width": 512}})
    assert floats_of_a_ray(wide) > 1.5 * floats_of_a_ray(NerfConfig.model_validate({"kind": "nerf"}))
