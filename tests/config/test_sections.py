"""What the schema allows at a path."""

from __future__ import annotations

from nsg_cluster.config.schema import BlenderData, Experiment, InstantNgpConfig, SyntheticData, TrainConfig
from nsg_cluster.config.sections import all_keys, is_table, keys, kinds, models_at, path_of


def test_a_section_of_several_kinds_is_narrowed_by_the_kind_that_is_named() -> None:
    assert models_at(Experiment, {}, ("data",))[:2] == (SyntheticData, BlenderData)
    assert models_at(Experiment, {"data": {"kind": "blender"}}, ("data",)) == (BlenderData,)
    assert models_at(Experiment, {"data": {"kind": "blendr"}}, ("data",))[:2] == (SyntheticData, BlenderData)
    assert models_at(Experiment, {"data": 3}, ("data", "root")) == ()
    assert models_at(Experiment, {}, ()) == (Experiment,)


def test_only_a_fixed_kind_chooses_a_section() -> None:
    assert kinds((SyntheticData, BlenderData)) == {"synthetic": SyntheticData, "blender": BlenderData}
    assert kinds((InstantNgpConfig,)) == {"instant_ngp": InstantNgpConfig}
    assert kinds(models_at(Experiment, {}, ("train", "schedule"))) == {}


def test_keys_are_those_of_yaml_in_the_order_of_the_schema() -> None:
    assert keys(models_at(Experiment, {}, ("sweep",))) == ["grid", "zip", "list", "models"]
    assert keys((TrainConfig,))[0] == "steps"
    both = keys((SyntheticData, BlenderData))
    assert both.index("kind") == 0
    assert {"image_size", "root"} <= set(both)
    assert both.count("kind") == 1


def test_a_table_is_a_mapping_with_keys_of_the_user() -> None:
    sweep = models_at(Experiment, {}, ("sweep",))
    assert is_table(sweep, "grid")
    assert is_table(sweep, "zip")
    assert not is_table(sweep, "list")
    assert not is_table((Experiment,), "train")


def test_kinds_in_the_locations_of_pydantic_are_left_out_of_a_path() -> None:
    mapping = {"data": {"kind": "blender", "blender": 3}}
    assert path_of(Experiment, mapping, ("data", "blender", "root")) == ("data", "root")
    assert path_of(Experiment, mapping, ("data", "blender", "blender")) == ("data", "blender")
    assert path_of(Experiment, mapping, ("model", "kind")) == ("model", "kind")
    assert path_of(Experiment, mapping, ("sweep", "grid", "seed", 3)) == ("sweep", "grid", "seed", 3)
    edits = {"render": {"edits": [{"remove": -1}]}}
    path = ("render", "edits", 0, "remove")
    assert path_of(Experiment, edits, (*path, "tuple[constrained-int, ...]")) == path


def test_every_key_is_found_where_it_stands() -> None:
    found = all_keys(Experiment)
    assert found["learning_rate"] == ["train.optimizer.learning_rate"]
    assert found["background"] == ["model.background", "train.background", "evaluate.background", "render.background"]
    assert found["root"] == ["data.root"]
