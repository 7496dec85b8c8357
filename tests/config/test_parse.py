"""Every mistake at once, in words that say what to do.

``python tests/config/test_parse.py`` writes the golden messages anew; read the difference before you commit it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from nsg_cluster.config.compose import load
from nsg_cluster.core.errors import ConfigError

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "config"
CASES = {
    "everything": ["everything.yaml"],
    "child": ["child.yaml", "train.log_every=0", "render.fsp=3"],
}
COMPLETE = "name: x\ndata: {kind: synthetic}\nmodel: {kind: instant_ngp}\n"


def messages(case: str) -> str:
    """Return what is said about a golden case, long lists of keys shortened so that a new key changes no message."""
    path, *overrides = CASES[case]
    os.environ.pop("NSG_TEST_UNSET", None)
    with pytest.raises(ConfigError) as caught:
        load(path, overrides, variables={"storage": "/storage"})
    return re.sub(r"allowed: ((?:\w+, ){2})(?:\w+, )+\w+", r"allowed: \1…", str(caught.value)) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_all_mistakes_are_reported_at_once_in_the_words_on_record(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    assert messages(case) == (GOLDEN / f"{case}.txt").read_text()


def said(folder: Path, text: str, *overrides: str) -> str:
    """Return the message about a file."""
    path = folder / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, overrides, variables={})
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\n", "x.yaml:1: data: is missing; write a section with kind: synthetic or blender"),
        ("name: x\ndata:\n", "x.yaml:2: data: must be a section of 'key: value' lines, not nothing"),
        ("name: x\ndata: lego\n", "x.yaml:2: data: must be a section of 'key: value' lines, not the text 'lego'"),
        ("name: x\ndata: {}\n", "x.yaml:2: data.kind: is missing; allowed: synthetic, blender"),
        ("name: x\ndata: {kind: [a]}\n", 'x.yaml:2: data.kind: ["a"] is not one of synthetic, blender, '),
        (f"{COMPLETE}seed: 3000000000\n", "x.yaml:4: seed: 3000000000 is out of range"),
        (f"{COMPLETE}seed: {10**30}\n", f"x.yaml:4: seed: {10**30} is out of range"),
        (f"{COMPLETE}seed: 1e400\n", "x.yaml:4: seed: must be a whole number, not Infinity"),
        (
            f"{COMPLETE}render: {{edits: [{{remov: 4}}]}}\n",
            "x.yaml:4: render.edits.0.remov: unknown key; allowed: remove, move, rotate, insert, ",
        ),
        (f"{COMPLETE}sweep: {{}}\n", "x.yaml:4: sweep: give exactly one of grid, zip, list and models (found none)"),
        (f"{COMPLETE}kind: synthetic\n", "x.yaml:4: kind: unknown key; allowed: name,"),
        (
            f"{COMPLETE}render: {{path: Orbit}}\n",
            "x.yaml:4: render.path: 'Orbit' is not one of orbit, ellipse, ",
        ),
        (
            f"{COMPLETE}\ntrain:\n  optimizer:\n    betas: [0.9]\n",
            "x.yaml:7: train.optimizer.betas.1: is missing",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    assert message in said(tmp_path, text)


def test_a_key_of_another_kind_is_unknown_and_the_keys_of_this_kind_are_named(tmp_path: Path) -> None:
    text = "name: x\ndata: {kind: blender, root: /, image_size: 3}\nmodel: {kind: instant_ngp}\n"
    message = said(tmp_path, text)
    assert message.startswith("x.yaml:2: data.image_size: unknown key; allowed: kind, root, downsample")
    assert "train_views: unknown" not in message


def test_a_rule_between_two_fields_is_reported_at_the_field_to_blame(tmp_path: Path) -> None:
    text = (
        "name: x\nmodel: {kind: instant_ngp}\ndata:\n  kind: blender\n  root: /\n  far: 2\n  near: 7\n"
        "  train_splits: [train, val]\n"
    )
    assert said(tmp_path, text).splitlines() == [
        "x.yaml:3: data.test_split: test_split 'val' is also in train_splits, so nothing would be held out",
        "x.yaml:7: data.near: near (7.0) must be smaller than far (2.0)",
    ]


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ("data: {kind: llff, root: /, space: ndc}\nmodel: {kind: instant_ngp}\n", "'ndc' bends space"),
        ("data: {kind: synthetic}\nmodel: {kind: scene_graph}\n", "a scene graph has none"),
        ("data: {kind: synthetic}\nmodel: {kind: nerf, time_frequencies: 2}\n", "depends on time"),
    ],
)
@pytest.mark.parametrize("section", ["evaluate", "render"])
def test_normals_are_refused_where_there_are_none(tmp_path: Path, sections: str, why: str, section: str) -> None:
    assert f"{section}.normals: " in said(tmp_path, f"name: x\n{sections}{section}: {{normals: true}}\n")
    assert why in said(tmp_path, f"name: x\n{sections}{section}: {{normals: true}}\n")


# As they stand between the double quotes of YAML.
HOSTILE = ["a b", "it's", '\\"', "new\\nline", "; rm -rf ~", "..", ".", "../x", "a/b", "-rf", ".x", "a..b", "x" * 65]
HOSTILE += ["x" * 300, "", "ü", "a\\u202eb", "$$x", "a\\n", "\\e[2J"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_from_a_file_and_from_the_command_line(tmp_path: Path, name: str) -> None:
    expected = "letters, digits, -, _ and single dots inside, at most 64 characters"
    quoted = f'"{name}"'
    for message in (
        said(tmp_path, COMPLETE.replace("name: x", f"name: {quoted}")),
        said(tmp_path, COMPLETE, f"name={quoted}"),
    ):
        assert expected in message
        assert message.isprintable(), "control characters in the name must reach no terminal"
        assert len(message) < 700


@pytest.mark.parametrize("name", ["lego", "Lego-2_x.v1.0", "7", "x" * 64])
def test_a_good_name_is_taken(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(COMPLETE)
    assert load(path, [f"name={name}"], variables={}).name == name


@pytest.mark.parametrize("walltime", ["2h", "90m", "1:30:00", "1h30m"])
def test_a_time_limit_may_be_written_in_every_form_of_a_duration(tmp_path: Path, walltime: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"{COMPLETE}resources: {{walltime: {walltime}}}\n")
    assert load(path, variables={}).resources.walltime == walltime


def test_a_time_limit_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "write a duration such as 45s" in said(tmp_path, f"{COMPLETE}resources: {{walltime: soon}}\n")
    assert "write 90s, 90m or 90h" in said(tmp_path, COMPLETE, "resources.walltime=90")


if __name__ == "__main__":
    os.chdir(GOLDEN)
    for golden in CASES:
        Path(f"{golden}.txt").write_text(messages(golden))
