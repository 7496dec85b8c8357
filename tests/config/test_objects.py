"""``data.kind: objects``, its folder, and sweeps over models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.config.compose import load
from nsg_cluster.config.objects import ObjectsData, model_name
from nsg_cluster.config.sweep import expand
from nsg_cluster.core.errors import ConfigError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def data(**changes: Any) -> ObjectsData:
    return ObjectsData.model_validate(
        {"kind": "objects", "model": "/m/cup.obj", "out": "/o/{model}-{settings}"} | changes
    )


def test_the_folder_follows_the_settings_of_the_views_and_nothing_else() -> None:
    first = data().folder
    assert first.parent == Path("/o")
    assert first.name.startswith("cup-")
    assert data(threads=3, device="cpu", max_train_views=4, model="/elsewhere/cup.obj").folder == first
    for change in ({"views": 51}, {"image_size": 64}, {"cameras": {"seed": 1}}, {"lights": "sun"}, {"normals": True}):
        assert data(**change).folder != first
    assert data(out="/o/views").folder == Path("/o/views")
    assert data(name="mug").folder.name.startswith("mug-")


def test_a_model_of_shapenet_is_called_by_its_id() -> None:
    assert model_name(Path("/data/02691156/1a04e3/models/model_normalized.obj")) == "1a04e3"
    assert model_name(Path("/data/02691156/1a04e3")) == "1a04e3"
    assert model_name(Path("/data/my\nbig chair.v2.obj")) == "my-big-chair.v2"


def test_cameras_inside_of_the_model_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cameras\.radius \(0\.9\) must be larger than 1"):
        data(cameras={"radius": 0.9})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cup.obj").write_text("v 0 0 0\n")
    (tmp_path / "chair.glb").write_text("glTF")
    return tmp_path


def test_a_sweep_over_models_has_an_experiment_for_each_called_as_the_model_is(folder: Path) -> None:
    overrides = [f"sweep.models={folder}"]
    file = CONFIGS / "sweeps" / "shapenet_category.yaml"
    elements = expand(load(file, overrides, variables={"storage": "/s"}))
    assert [element.name for element in elements] == ["category-a-cup-obj", "category-b-cup-obj", "category-chair"]
    sections = [element.data for element in elements]
    assert all(isinstance(section, ObjectsData) for section in sections)
    assert [section.model for section in sections] == [  # type: ignore[union-attr] # checked above
        str(folder / name) for name in ("a/cup.obj", "b/cup.obj", "chair.glb")
    ]
    assert len({section.folder for section in sections}) == 3  # type: ignore[union-attr] # checked above


def test_a_sweep_over_nothing_is_a_mistake_with_its_line(folder: Path) -> None:
    file = folder / "x.yaml"
    file.write_text(f"extends: {CONFIGS / 'shapenet_obj.yaml'}\nsweep:\n  models: {folder / 'gone'}\n")
    with pytest.raises(ConfigError, match=r"x\.yaml:3: sweep\.models: .*there is no such file"):
        load(file, variables={"storage": "/s"})


def test_an_experiment_without_a_model_says_so() -> None:
    with pytest.raises(ConfigError, match=r"data\.model is missing: name the file of a 3D model"):
        load(CONFIGS / "shapenet_obj.yaml", ['data.model=""'], variables={"storage": "/s"})
