"""What ``model`` and ``train`` refuse, and what they derive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nsg_cluster.config.compose import load
from nsg_cluster.config.mip import MipNerfConfig
from nsg_cluster.config.model import InstantNgpConfig, ProposalConfig
from nsg_cluster.config.training import TrainConfig
from nsg_cluster.core.errors import ConfigError


@pytest.mark.parametrize(("bound", "cascades"), [(1, 1), (1.01, 2), (2, 2), (4, 3), (16, 5), (32, 6), (128, 8)])
def test_cascades_double_until_they_cover_the_bound(bound: float, cascades: int) -> None:
    # Instant-NGP's aabb_scale 16 takes 5 cascades; ngp_pl's scale 16, around a box of half side 0.5, takes 6.
    assert InstantNgpConfig(kind="instant_ngp", bound=bound).cascades == cascades


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": []}, "rounds must name the samples of at least one round"),
        ({"rounds": [64] * 6}, r"max_resolution \(256\) is halved for each of 6 rounds but the last and falls below"),
        ({"hash_grid": {"max_resolution": 8}}, r"max_resolution \(8\) must be at least base_resolution \(16\)"),
    ],
)
def test_rounds_of_proposals_must_be_possible(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ProposalConfig.model_validate({"kind": "proposal", **settings})


def test_a_bound_that_would_say_nothing_is_refused() -> None:
    settings = {"kind": "instant_ngp", "bound": 4, "contraction": "l2"}
    assert InstantNgpConfig.model_validate(settings).cascades == 3
    with pytest.raises(ValidationError, match=r"bound \(4\) says nothing where contraction is 'l2'"):
        InstantNgpConfig.model_validate({**settings, "sampler": {"kind": "proposal"}})


def test_what_only_a_gpu_can_do_is_refused_on_a_cpu() -> None:
    with pytest.raises(ValidationError, match=r"precision 'float16' needs a GPU(.|\n)*optimizer\.backend 'apex' needs"):
        TrainConfig.model_validate({"device": "cpu", "precision": "float16", "optimizer": {"backend": "apex"}})


@pytest.mark.parametrize("kind", ["mipnerf", "mipnerf360"])
@pytest.mark.parametrize(
    ("field", "key", "message"),
    [
        (
            "{reflections: {}}",
            "reflections",
            "reflections need normals to reflect at; set normals: predicted (or density)",
        ),
        (
            "{normals: predicted, direction_frequencies: null, reflections: {levels: 4}}",
            "direction_frequencies",
            "direction_frequencies null is for colors that are the same from every side, and reflections are not; "
            "leave one of them out",
        ),
    ],
)
def test_reflections_that_make_no_sense_are_refused_by_file_and_line(
    kind: str, field: str, key: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(f"name: x\ndata: {{kind: synthetic}}\nmodel:\n  kind: {kind}\n  field: {field}\n")
    with pytest.raises(ConfigError) as refused:
        load(file, variables={})
    assert f"x.yaml:5: model.field.{key}: {message}" in str(refused.value)


def test_reflections_have_levels_that_float32_can_tell_apart() -> None:
    good = {"kind": "mipnerf", "field": {"normals": "predicted", "reflections": {"levels": 5}}}
    assert MipNerfConfig.model_validate(good).field.reflections is not None
    with pytest.raises(ValidationError, match=r"levels(.|\n)*less than or equal to 5"):
        MipNerfConfig.model_validate({"kind": "mipnerf", "field": {"reflections": {"levels": 6}}})
