"""The schemas that editors use are current, and every file in ``configs/`` agrees with them and with the parser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from nsg_cluster.config.compose import load
from nsg_cluster.config.json_schema import schemas, write
from nsg_cluster.config.site import load_site
from nsg_cluster.config.sweep import expand
from nsg_cluster.core.documents import read_yaml, read_yaml_value

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILES = sorted(CONFIGS.rglob("*.yaml"))
FRAGMENTS = {"models", "data"}


def mistakes(schema: str, mapping: Any) -> list[str]:
    validator = Draft7Validator(schemas()[schema])
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(mapping)]


def test_the_committed_schemas_are_those_of_the_models(tmp_path: Path) -> None:
    for path in write(tmp_path):
        Draft7Validator.check_schema(json.loads(path.read_text()))
        assert path.read_text() == (CONFIGS / path.name).read_text(), "run: python -m nsg_cluster.config.json_schema"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_a_file_names_the_schema_of_its_folder_and_agrees_with_it(path: Path) -> None:
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert found, "the first line tells editors which schema to use"
    schema = (path.parent / found[1]).resolve()
    folder = path.parent.relative_to(CONFIGS).parts[:1]
    kind = "site" if folder == ("sites",) else "fragment" if FRAGMENTS & set(folder) else "experiment"
    assert schema == CONFIGS / f"{kind}.schema.json"
    assert mistakes(schema.name, read_yaml(path).mapping) == []


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.parent.name not in {"sites", *FRAGMENTS}],
    ids=lambda path: str(path.relative_to(CONFIGS)),
)
def test_the_parser_takes_every_experiment_and_every_element_of_its_sweep(path: Path, tmp_path: Path) -> None:
    # What a sweep over 3D models finds there.
    model = tmp_path / "data" / "ShapeNetCore.v2" / "02691156" / "1a04e3" / "models" / "model_normalized.obj"
    model.parent.mkdir(parents=True)
    model.write_text("v 0 0 0\n")
    assert expand(load(path, variables={"storage": str(tmp_path)}))


@pytest.mark.parametrize("path", sorted((CONFIGS / "sites").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_parser_takes_every_site_under_its_own_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_GROUP", "gaa50000")
    assert load_site(path.stem) == load_site(str(path))
    assert load_site(path.stem).name == path.stem


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name in FRAGMENTS], ids=lambda path: path.stem)
def test_every_fragment_is_part_of_a_valid_experiment(path: Path, tmp_path: Path) -> None:
    rest = {"data": "model: {kind: instant_ngp}", "models": "data: {kind: synthetic}"}[path.parent.name]
    file = tmp_path / "x.yaml"
    file.write_text(f"extends: {path}\nname: x\n{rest}\n")
    assert load(file, variables={"storage": "/storage"})


COMPLETE = "name: x, data: {kind: synthetic}, model: {kind: instant_ngp}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (COMPLETE, None),
        ("extends: a.yaml", None),
        ("extends: [a.yaml], data: {downsample: 2}, train: {optimizer: {eps: 1e-8}}", None),
        (COMPLETE + ", resources: {walltime: 1:30:00}, sweep: {zip: {seed: [1]}}", None),
        ("name: x, data: {kind: synthetic}", "'model' is a required property"),
        ("name: x, data: {kind: blender}, model: {kind: instant_ngp}", "is not valid under any of the given schemas"),
        ("name: x, data: {}, model: {kind: instant_ngp}", "is not valid under any of the given schemas"),
        ("name: x, data: {kind: synthetic}, model: {}", "is not valid under any of the given schemas"),
        (COMPLETE + ", trian: {}", "'trian' was unexpected"),
        ("extends: a.yaml, train: {stepz: 3}", "'stepz' was unexpected"),
        ("extends: 3", "3 is not valid under any of the given schemas"),
        (COMPLETE + ", train: {steps: 0}", "0 is less than the minimum of 1"),
        (COMPLETE + ", train: {optimizer: {betas: [0.9]}}", "[0.9] is too short"),
        ("extends: a.yaml, name: a b", "'a b' does not match"),
    ],
)
def test_an_editor_sees_what_the_parser_sees(text: str, said: str | None) -> None:
    found = mistakes("experiment.schema.json", read_yaml_value(f"{{{text}}}", "here")[0])
    assert bool(found) == (said is not None), found
    assert said is None or any(said in message for message in found)


def test_every_key_has_a_description_for_the_editor() -> None:
    def described(node: dict[str, Any]) -> bool:
        return bool({"description", "$ref", "const", "oneOf", "anyOf", "allOf"} & set(node))

    for schema in schemas().values():
        for section in [schema, *schema.get("definitions", {}).values()]:
            missing = [name for name, node in section.get("properties", {}).items() if not described(node)]
            assert not missing, f"{section.get('description')}: {missing}"
