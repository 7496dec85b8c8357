"""Sweeps: ordered, named, hashed, and refused where they make no sense."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsg_cluster.config.compose import dump, load
from nsg_cluster.config.schema import NAME_PATTERN, BlenderData, Experiment
from nsg_cluster.config.sweep import expand, spec_hash
from nsg_cluster.core.documents import dump_yaml
from nsg_cluster.core.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parents[2]
BASE = "name: lego\ndata: {kind: synthetic}\nmodel: {kind: instant_ngp}\n"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def swept(sweep: str, *overrides: str) -> tuple[Experiment, ...]:
    Path("x.yaml").write_text(f"{BASE}sweep:\n{sweep}\n")
    return expand(load("x.yaml", overrides, variables={}))


def refusal(sweep: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        swept(sweep, *overrides)
    return str(caught.value).splitlines()


def names(sweep: str) -> list[str]:
    return [experiment.name for experiment in swept(sweep)]


def test_a_grid_is_every_combination_with_the_last_key_fastest() -> None:
    found = swept("  grid:\n    train.optimizer.learning_rate: [1e-2, 1e-3]\n    seed: [1, 2]")
    assert [(e.train.optimizer.learning_rate, e.seed) for e in found] == [(0.01, 1), (0.01, 2), (0.001, 1), (0.001, 2)]
    assert [e.name for e in found] == [
        "lego-lr0.01-seed1",
        "lego-lr0.01-seed2",
        "lego-lr0.001-seed1",
        "lego-lr0.001-seed2",
    ]
    assert all(e.sweep is None for e in found)
    assert len({spec_hash(e) for e in found}) == 4


def test_a_zip_takes_the_first_values_together_and_then_the_second() -> None:
    found = swept("  zip: {train.steps: [1, 2], render.path: [orbit, test]}")
    assert [(e.train.steps, e.render.path, e.name) for e in found] == [
        (1, "orbit", "lego-steps1-path-orbit"),
        (2, "test", "lego-steps2-path-test"),
    ]


def test_a_list_takes_each_mapping_as_it_stands() -> None:
    found = swept(
        "  list:\n  - {name: small, train.steps: 5}\n  - {data.root: /x, data.kind: blender}\n  - {train: {rays: 16}}"
    )
    assert [e.name for e in found] == ["small", "lego-root-x-kind-blender", f"lego-train-{found[2].name[-6:]}"]
    assert found[0].train.steps == 5
    assert found[1].data == BlenderData(kind="blender", root="/x")
    assert (found[2].train.rays, found[2].train.steps) == (16, 2000)


def test_an_experiment_without_a_sweep_stands_for_itself() -> None:
    Path("x.yaml").write_text(BASE)
    alone = load("x.yaml", variables={})
    assert expand(alone) == (alone,)


def test_each_element_is_complete_and_dumps_and_loads_back() -> None:
    for experiment in swept("  grid: {train.loss.photometric: [mse, huber], description: ['${env:HOME}', $$x]}"):
        Path("spec.yaml").write_text(dump(experiment))
        again = load("spec.yaml", variables={})
        assert again == experiment
        assert spec_hash(again) == spec_hash(experiment)


def test_a_hash_depends_on_the_content_alone() -> None:
    Path("x.yaml").write_text(BASE)
    Path("y.yaml").write_text("seed: 0\n" + "".join(reversed(BASE.splitlines(keepends=True))))
    one, other = load("x.yaml", variables={}), load("y.yaml", variables={})
    assert re.fullmatch("[0-9a-f]{12}", spec_hash(one))
    assert spec_hash(one) == spec_hash(other)
    assert spec_hash(one) != spec_hash(load("x.yaml", ["seed=1"], variables={}))


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ("  grid: {train.steps: [1], train.schedule.warmup_steps: [0]}", ["lego-steps1-warmup_steps0"]),
        (
            "  grid: {train.background: [white], evaluate.background: [black]}",
            ["lego-train-background-white-evaluate-background-black"],
        ),
        ("  grid: {render.elevation_deg: [-5, 0.5]}", ["lego-elevation_deg-5", "lego-elevation_deg0.5"]),
        ("  grid: {render.depth: [true, false]}", ["lego-depth-true", "lego-depth-false"]),
        ("  grid: {train.preview_every: [null, 7]}", ["lego-preview_every-null", "lego-preview_every7"]),
        ("  grid: {render.formats: [[mp4, gif], []]}", ["lego-formats-mp4-gif", "lego-formats-empty"]),
        ("  grid: {train.loss.distortion: [1.0e-5, 1.0e+20]}", ["lego-distortion1e-05", "lego-distortion1e20"]),
        ("  zip: {name: [a, b.c], seed: [1, 2]}", ["a", "b.c"]),
        ("  list: [{name: a}, {seed: 3}]", ["a", "lego-seed3"]),
    ],
)
def test_names_say_what_differs(sweep: str, expected: list[str]) -> None:
    assert names(sweep) == expected


def test_names_that_would_be_equal_or_too_long_end_in_a_hash_that_stays() -> None:
    long = "y" * 80
    sweep = f"  grid: {{description: ['/a/x', '/b/x', 'x/', ü, '..', 'a b', 'a;b', {long}1, {long}2]}}"
    found = names(sweep)
    assert len(set(found)) == 9
    assert all(len(name) <= 64 and re.fullmatch(NAME_PATTERN, name) for name in found)
    assert found == names(sweep)
    assert found[0].startswith("lego-description-x-")


VALUES = st.text(max_size=90) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40)
@given(st.lists(VALUES.map(str), min_size=1, max_size=8, unique=True), st.integers(1, 64))
def test_every_name_is_a_good_name(values: list[str], length: int) -> None:
    values = [value.encode(errors="replace").decode().replace("\0", "") for value in values]
    if len(set(values)) < len(values):
        return
    text = f"{BASE.replace('lego', 'x' * length)}" + dump_yaml(
        {"sweep": {"grid": {"description": values, "seed": [1, 2]}}}
    )
    Path("x.yaml").write_text(text.replace("$", "$$"))
    found = [experiment.name for experiment in expand(load("x.yaml", variables={}))]
    assert len(set(found)) == len(found) == 2 * len(values)
    assert all(len(name) <= 64 and re.fullmatch(NAME_PATTERN, name) for name in found)


GRID = "x.yaml:5: sweep.grid: "


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("grid: {train.stepz: [1, 2]}", "x.yaml:5: train.stepz: unknown key; allowed: steps, … Did you mean 'steps'?"),
        ("grid:\n    seed: [1,\n      x]", "x.yaml:7: seed: must be a whole number, not the text 'x'"),
        ("grid: {seed: [x], train.steps: [1, 2, 3]}", "x.yaml:5: seed: must be a whole number, not the text 'x'"),
        ("grid: {seed: [.nan]}", "x.yaml:5: seed: must be a whole number, not NaN"),
        ("grid: {seed: 3}", "x.yaml:5: sweep.grid.seed: must be a list, not 3"),
        ("grid: {seed: []}", GRID + "'seed' has no values; give at least one"),
        ("grid: {}", GRID + "is empty; name at least one key"),
        ("list: []", "x.yaml:5: sweep.list: is empty; give at least one mapping of keys to values"),
        ("list: [{seed: 1}, {}]", "x.yaml:5: sweep.list.1: is empty; name at least one key"),
        ("list: [3]", "x.yaml:5: sweep.list.0: must be a section of 'key: value' lines, not 3"),
        (
            "grib: {seed: [1]}",
            "x.yaml:5: sweep.grib: unknown key; allowed: grid, zip, list, models. Did you mean 'grid'?",
        ),
        (
            "grid: {seed: [1]}\n  zip: {seed: [1]}",
            "x.yaml:4: sweep: give exactly one of grid, zip, list and … (found …)",
        ),
        (
            "zip: {seed: [1, 2], train.steps: [1, 2, 3]}",
            "x.yaml:5: sweep.zip: lists must be equally long, but seed has 2, train.steps has 3",
        ),
        (
            "grid: {seed: [1,\n   2, 1]}",
            "x.yaml:6: sweep: element 3 (seed=1) is the same experiment as element 1",
        ),
        (
            "grid: {train.optimizer.eps: [1, 1.0]}",
            "x.yaml:5: sweep: element 2 (train.optimizer.eps=1.0) is the same experiment as element 1",
        ),
        (
            "list: [{name: a, seed: 1}, {name: a, seed: 2}]",
            "x.yaml:4: sweep: 2 elements are called 'a'; give each a name of its own",
        ),
        ("grid: {name: [a b]}", "x.yaml:5: name: 'a b' is not allowed; name of the run folder: …"),
        ("grid: {sweep.grid: [1]}", GRID + "'sweep.grid' cannot vary; name a key such as train.steps or seed"),
        ("grid: {extends: [a]}", GRID + "'extends' cannot vary; name a key such as train.steps or seed"),
        ("grid: {a..b: [1]}", GRID + "'a..b' cannot vary; name a key such as train.steps or seed"),
        ("grid: {data.kind: [blender]}", 'x.yaml:5: data.root: is missing; … (with data.kind="blender")'),
        (
            "grid:\n    data.kind: [blender]\n    data.root: [/x]\n    data.near: [1,\n     7]",
            "x.yaml:9: data.near: near (7.0) must be smaller than far (6.0)",
        ),
        (
            "grid: {seed: &s [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], train.steps: *s, train.rays: *s, render.fps: *s}",
            GRID + "makes 14641 experiments; at most 10000 are allowed",
        ),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused_at_its_line(sweep: str, said: str) -> None:
    found = refusal(f"  {sweep}")
    assert len(found) == 1
    assert re.fullmatch(re.escape(said).replace("…", ".*"), found[0]), found[0]


def test_mistakes_of_the_sweep_and_of_the_rest_are_reported_together() -> None:
    assert refusal("  grid: {train.steps: [0, 5]}", "name=a b", "train.rays=x") == [
        "x.yaml:5: train.steps: 0 is out of range; it must be at least 1",
        "override 'name=a b': name: 'a b' is not allowed; name of the run folder: letters, digits, -, _ and single "
        "dots inside, at most 64 characters.",
        "override 'train.rays=x': train.rays: must be a whole number, not the text 'x'",
    ]


def test_a_sweep_given_as_an_override_is_quoted() -> None:
    Path("x.yaml").write_text(BASE)
    assert len(expand(load("x.yaml", ["sweep.grid.train.steps=[1, 2]", "sweep.grid.seed=[1, 2]"], variables={}))) == 4
    with pytest.raises(
        ConfigError, match=r"override 'sweep\.grid\.train\.steps=\[0\]': train\.steps: 0 is out of range"
    ):
        load("x.yaml", ["sweep.grid.train.steps=[0]"], variables={})


def test_expanding_tells_the_same_mistakes_without_a_document() -> None:
    values: dict[str, Any] = {"name": "x", "data": {"kind": "synthetic"}, "model": {"kind": "instant_ngp"}}
    experiment = Experiment.model_validate(values | {"sweep": {"grid": {"seed": [1, "x"], "train.stepz": [1]}}})
    with pytest.raises(ConfigError, match=r"train\.stepz: unknown key") as caught:
        expand(experiment)
    assert "seed: must be a whole number, not the text 'x'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_a_thousand_elements_are_checked_and_expanded_within_a_second_of_cpu() -> None:
    Path("x.yaml").write_text(
        f"{BASE}sweep:\n  grid: {{train.optimizer.learning_rate: [1e-2, 1e-3], seed: {list(range(500))}}}\n"
    )
    code = (
        "import time; from nsg_cluster.config.compose import load\n"
        "from nsg_cluster.config.sweep import expand, spec_hash\n"
        "began = time.process_time(); found = expand(load('x.yaml', variables={}))\n"
        "assert len({spec_hash(experiment) for experiment in found}) == 1000\n"
        "print(time.process_time() - began)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    assert float(done.stdout) < 1.0
