"""Files, parents, overrides and variables become one experiment; and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsg_cluster.config.compose import dump, load
from nsg_cluster.config.merge import merged, split_key
from nsg_cluster.config.schema import BlenderData, Experiment, SyntheticData
from nsg_cluster.config.variables import escaped
from nsg_cluster.core.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parents[2]
BASE = "name: x\ndata: {kind: synthetic, image_size: 32}\nmodel: {kind: instant_ngp}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, which holds ``base.yaml``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def experiment(text: str, *overrides: str, **variables: str) -> Experiment:
    Path("x.yaml").write_text(text)
    return load("x.yaml", overrides, variables=variables)


def refusal(text: str, *overrides: str, **variables: str) -> str:
    with pytest.raises(ConfigError) as caught:
        experiment(text, *overrides, **variables)
    return str(caught.value)


@pytest.mark.usefixtures("folder")
class TestExtends:
    """``extends``."""

    def test_sections_merge_lists_are_replaced_and_later_files_win(self) -> None:
        Path("a.yaml").write_text("train: {steps: 1, rays: 16}\nrender: {formats: [mp4, gif], fps: 5}\n")
        Path("sub").mkdir()
        Path("sub/b.yaml").write_text("extends: ../a.yaml\ntrain: {steps: 2, log_every: 7}\n")
        found = experiment("extends: [base.yaml, sub/b.yaml]\ntrain: {rays: 32}\nrender: {formats: [png]}\n")
        assert (found.train.steps, found.train.rays, found.train.log_every) == (2, 32, 7)
        assert (found.render.formats, found.render.fps) == (("png",), 5)
        assert found.name == "x"

    def test_a_new_kind_starts_a_new_section_and_the_same_kind_merges(self) -> None:
        found = experiment("extends: base.yaml\ndata: {kind: blender, root: /data}\n")
        assert found.data == BlenderData(kind="blender", root="/data")
        found = experiment("extends: base.yaml\ndata: {kind: synthetic, seed: 3}\n")
        assert found.data == SyntheticData(image_size=32, seed=3)

    def test_a_kind_that_chooses_no_section_is_a_key_like_any_other(self) -> None:
        Path("a.yaml").write_text("train: {schedule: {kind: cosine, warmup_steps: 7}}\n")
        found = experiment("extends: [base.yaml, a.yaml]\ntrain: {schedule: {kind: constant}}\n")
        assert (found.train.schedule.kind, found.train.schedule.warmup_steps) == ("constant", 7)

    def test_a_fragment_without_its_kind_merges_with_the_file_that_names_it(self) -> None:
        Path("a.yaml").write_text("data: {downsample: 4}\n")
        found = experiment("extends: a.yaml\nname: x\nmodel: {kind: instant_ngp}\ndata: {kind: blender, root: /}\n")
        assert isinstance(found.data, BlenderData)
        assert found.data.downsample == 4

    def test_files_in_a_circle_are_refused_with_the_chain(self) -> None:
        Path("a.yaml").write_text("name: a\nextends: b.yaml\n")
        Path("b.yaml").write_text("extends: ./x.yaml\n")
        said = refusal("extends: a.yaml\n")
        assert said == "b.yaml:1: extends: files extend each other in a circle: x.yaml → a.yaml → b.yaml → x.yaml"
        assert refusal("extends: x.yaml\n").endswith("in a circle: x.yaml → x.yaml")

    def test_a_parent_may_be_reached_twice(self) -> None:
        Path("a.yaml").write_text("extends: base.yaml\nseed: 1\n")
        Path("b.yaml").write_text("extends: base.yaml\nname: b\n")
        found = experiment("extends: [a.yaml, b.yaml]\n")
        assert (found.name, found.seed) == ("b", 1)

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("baze.yaml", "x.yaml:2: extends: no such file 'baze.yaml'. Did you mean 'base.yaml'?"),
            ("[base.yaml, absent.yaml]", "x.yaml:2: extends: no such file 'absent.yaml'."),
            ("3", "x.yaml:2: extends: must be the path of a YAML file or a list of paths"),
            ("", "x.yaml:2: extends: must be the path of a YAML file or a list of paths"),
            ("[base.yaml, {a: b}]", "x.yaml:2: extends: must be the path of a YAML file or a list of paths"),
            (".", ".: is a folder; name a YAML file in it"),
        ],
    )
    def test_what_is_no_parent_is_refused(self, value: str, said: str) -> None:
        assert said in refusal(f"\nextends: {value}\n{BASE}")

    def test_a_mistake_in_a_parent_is_reported_there_and_together_with_the_others(self) -> None:
        Path("a.yaml").write_text("\nsead: 3\nseed: x\nseed: y\n")
        assert refusal("extends: [base.yaml, a.yaml]\ntrain: {steps: 0}\n").splitlines() == [
            "x.yaml:2: train.steps: 0 is out of range; it must be at least 1",
            "a.yaml:2: sead: unknown key; allowed: name, description, seed, stages, data, model, train, evaluate, "
            "render, export, resources, container, sweep. Did you mean 'seed'?",
            "a.yaml:4: seed: the key is given twice, first in line 3",
        ]


@pytest.mark.usefixtures("folder")
class TestOverrides:
    """``dotted.key=value``."""

    @pytest.mark.parametrize(
        ("override", "key", "value"),
        [
            ("train.steps=100", "train.steps", 100),
            ("train.steps=1e3", "train.steps", 1000),
            ("train.optimizer.learning_rate=1e-3", "train.optimizer.learning_rate", 0.001),
            ("train.optimizer.learning_rate=1", "train.optimizer.learning_rate", 1.0),
            ("train.preview_every=null", "train.preview_every", None),
            ("render.depth=no", "render.depth", False),
            ("render.formats=[png, gif]", "render.formats", ("png", "gif")),
            ("train.optimizer.betas=[0, 0.5]", "train.optimizer.betas", (0.0, 0.5)),
            ("name=007", "name", "007"),
            ("name=1e5", "name", "1e5"),
            ("name=no", "name", "no"),
            ("name=2026-11-21", "name", "2026-11-21"),
            ("name='12'", "name", "12"),
            ("description=", "description", ""),
            ("description=null", "description", "null"),
            ("description=a: b # c", "description", "a: b # c"),
            ("description=x # c", "description", "x # c"),
            ("description=[1, 2", "description", "[1, 2"),
            ("description=[1, 2]", "description", "[1, 2]"),
            ("description=a=b", "description", "a=b"),
            ("description=@home *star &and %", "description", "@home *star &and %"),
            ("resources.walltime=1:30:00", "resources.walltime", "1:30:00"),
            ("train.schedule={kind: constant}", "train.schedule.kind", "constant"),
        ],
    )
    def test_a_value_is_typed_as_in_a_file_and_is_text_where_text_is_wanted(
        self, override: str, key: str, value: Any
    ) -> None:
        found: Any = experiment(BASE, override)
        for part in key.split("."):
            found = getattr(found, part)
        assert found == value
        assert type(found) is type(value)

    def test_a_path_with_blanks_needs_no_quotes_of_yaml(self) -> None:
        found = experiment(BASE, "data.root=/x y; rm -rf 'z'", "data.kind=blender")
        assert found.data == BlenderData(kind="blender", root="/x y; rm -rf 'z'")

    def test_a_new_kind_drops_the_keys_of_the_old_one_wherever_it_stands_among_the_overrides(self) -> None:
        assert experiment(BASE, "data.kind=blender", "data.root=/x") == experiment(
            BASE, "data.root=/x", "data.kind=blender"
        )

    def test_later_overrides_win(self) -> None:
        assert experiment(BASE, "train.steps=1", "train={steps: 2, rays: 20}", "train.steps=3").train.steps == 3

    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ("train.steps=abc", "override 'train.steps=abc': train.steps: must be a whole number, not the text 'abc'"),
            ("train.steps=[1", "override 'train.steps=[1': train.steps: must be a whole number, not the text '[1'"),
            ("train.steps=", "override 'train.steps=': train.steps: must be a whole number, not nothing"),
            ("train.stesp=3", "train.stesp: unknown key; allowed: steps, "),
            ("train.stesp=3", "Did you mean 'steps'?"),
            ("trian.steps=3", "override 'trian.steps=3': trian: unknown key"),
            ("learning_rate=3", "Did you mean 'train.optimizer.learning_rate'?"),
            ("train.steps.x=3", "train.steps: must be a whole number, not the mapping {\"x\": 3}"),
            ("train=3", "override 'train=3': train: must be a section of 'key: value' lines, not 3"),
            ("data.kind=blender", "data.root: is missing"),
            ("train", "override 'train': write dotted.key=value, such as train.steps=100"),
            ("=3", "override '=3': write dotted.key=value"),
            ("train..steps=3", "override 'train..steps=3': write dotted.key=value"),
            ("", "override '': write dotted.key=value"),
            ("extends=base.yaml", "extends: belongs in a file; name the file itself on the command line"),
            ("train.steps=!!python/object:x y", "must be a whole number, not the text '!!python/object:x y'"),
            ("train.steps={a: 1, a: 2}", "train.steps: must be a whole number"),
            ("train.steps=" + "[" * 10_000, "train.steps: must be a whole number, not the text '[[["),
            ("na\nme=3", r"override 'na\nme=3': na\nme: unknown key"),
        ],
    )  # fmt: skip
    def test_a_wrong_override_is_quoted_and_put_right(self, override: str, said: str) -> None:
        message = refusal(BASE, override)
        assert said in message
        assert len(message.splitlines()) == 1
        assert len(message) < 1000

    def test_text_that_is_no_unicode_is_refused(self) -> None:
        assert refusal(BASE, "na\udcffme=x").startswith("override 'na\\udcffme=x': is not text in UTF-8")
        assert "is not text in UTF-8" in refusal(BASE, "description=\udcff")
        assert "holds a NUL character" in refusal(f'{BASE}description: "a\\0b"\n')


@pytest.mark.usefixtures("folder")
class TestVariables:
    """``${storage}`` and ``${env:NAME}``."""

    def test_variables_are_replaced_in_texts_at_any_depth(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WHO", "me: [you]")
        description = "description: ${storage}/${env:WHO} costs 5$, $$5, $${storage}\n"
        found = experiment(f"{BASE}{description}sweep: {{grid: {{name: ['${{storage}}']}}}}\n", storage="disk")
        assert found.description == "disk/me: [you] costs 5$, $5, ${storage}"
        assert found.sweep is not None
        assert found.sweep.grid == {"name": ["disk"]}

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("${storag}", "unknown variable 'storag'; allowed: storage, env:NAME, $$ for a dollar sign."),
            ("${storag}", "Did you mean 'storage'?"),
            ("${env:NSG_ABSENT}", "the environment variable 'NSG_ABSENT' is not set; set it or write the value here"),
            ("${storage", "'${' without '}'; write $$ for a dollar sign"),
            ("${}", "unknown variable ''"),
        ],
    )
    def test_a_variable_that_is_not_there_is_reported_with_its_line(self, text: str, said: str) -> None:
        message = refusal(f"{BASE}description: '{text}'\n", storage="disk")
        assert message.startswith("x.yaml:4: description: ")
        assert said in message

    def test_a_variable_of_the_environment_that_is_no_unicode_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WHO", "\udcff")
        assert "holds bytes that are not UTF-8" in refusal(f"{BASE}description: '${{env:WHO}}'\n")

    def test_a_relative_folder_is_made_absolute_so_that_a_task_may_run_anywhere(self, folder: Path) -> None:
        found = experiment(BASE, "data.kind=blender", "data.root=${storage}/lego", storage="data")
        assert isinstance(found.data, BlenderData)
        assert found.data.root == str(folder / "data/lego")


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
EXPERIMENTS = st.builds(
    lambda text, seed, rate, root, formats, size: Experiment.model_validate(
        {
            "name": "x",
            "description": text,
            "seed": seed,
            "data": {"kind": "blender", "root": f"/{root}"},
            "model": {"kind": "instant_ngp"},
            "train": {"optimizer": {"learning_rate": rate}},
            "render": {"formats": formats, "size": size},
            "sweep": {"list": [{"description": f"{text}1"}, {"seed": seed + 1, "description": "1e5"}]},
        }
    ),
    TEXTS,
    st.integers(0, 1000),
    st.floats(min_value=1e-300, max_value=10),
    TEXTS,
    st.lists(st.sampled_from(["mp4", "gif", "png"])),
    st.none() | st.integers(8, 8192),
)


@settings(max_examples=40)
@given(EXPERIMENTS)
def test_what_is_dumped_loads_back_equal(tmp_path_factory: pytest.TempPathFactory, experiment: Experiment) -> None:
    path = tmp_path_factory.getbasetemp() / "spec.yaml"
    path.write_text(dump(experiment))
    assert load(path, variables={}) == experiment


@settings(max_examples=40)
@given(text=PRINTABLE, number=st.floats(min_value=1e-300, max_value=10), count=st.integers(1, 10**12))
def test_an_override_says_what_a_file_says(
    tmp_path_factory: pytest.TempPathFactory, text: str, number: float, count: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "base.yaml"
    path.write_text(BASE)
    quoted = json.dumps(escaped(text), ensure_ascii=False)
    overrides = [f"description={quoted}", f"train.optimizer.learning_rate={number!r}", f"train.steps={count}"]
    found = load(path, overrides, variables={})
    assert (found.description, found.train.optimizer.learning_rate, found.train.steps) == (text, number, count)


def test_keys_below_a_table_stay_together() -> None:
    assert split_key(Experiment, "sweep.grid.train.steps") == ("sweep", "grid", "train.steps")
    assert split_key(Experiment, "train.optimizer.eps") == ("train", "optimizer", "eps")
    assert split_key(Experiment, "nothing.at.all") == ("nothing", "at", "all")


def test_merging_changes_neither_side() -> None:
    below: dict[str, Any] = {"train": {"steps": 1}, "render": {"fps": 1}}
    above: dict[str, Any] = {"train": {"rays": 2}}
    result = merged(Experiment, below, above)
    result["train"]["steps"] = 9
    assert (below, above) == ({"train": {"steps": 1}, "render": {"fps": 1}}, {"train": {"rays": 2}})


def test_loading_a_configuration_loads_no_heavy_package() -> None:
    code = (
        "import sys, nsg_cluster.config.compose, nsg_cluster.config.site\n"
        "heavy = {'rich', 'numpy', 'torch', 'click', 'submitit'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0
