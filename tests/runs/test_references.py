"""Runs that an experiment names: found by the launcher, so that a task knows their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.config.schema import Experiment, SceneGraphConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.runs.references import with_runs_found
from nsg_cluster.runs.submit import make_plan


@pytest.fixture
def storage(tmp_path: Path) -> StoragePaths:
    """Return a storage with two runs."""
    storage = StoragePaths(tmp_path / "storage")
    for name in ("20261121T071012-k3x9a2", "20261121T071013-q7m222"):
        run = storage.run("cars", name)
        run.root.mkdir(parents=True)
        run.record.write_text("{}")
    return storage


def experiment(start: str, source: str) -> Experiment:
    edits: list[dict[str, Any]] = [
        {"remove": 1},
        {"insert": {"from": source, "track": 2, "at": [0, 0, 0]}},
        {"insert": {"track": 2, "at": [0, 0, 0]}},
    ]
    return Experiment.model_validate(
        {
            "name": "x",
            "data": {"kind": "street"},
            "model": {"kind": "scene_graph", "objects": {"start_from": start}},
            "render": {"edits": edits},
        }
    )


def named(found: Experiment) -> tuple[str | None, list[str | None]]:
    assert isinstance(found.model, SceneGraphConfig)
    return found.model.objects.start_from, [edit.insert.source for edit in found.render.edits if edit.insert]


def test_an_id_the_beginning_of_one_and_the_last_run_become_folders(storage: StoragePaths) -> None:
    first, last = (str(storage.runs / "cars" / name) for name in ("20261121T071012-k3x9a2", "20261121T071013-q7m222"))
    assert named(with_runs_found(experiment("k3x", "@last"), storage)) == (first, [last, None])
    assert named(with_runs_found(experiment("q7m222", first), storage)) == (last, [first, None])
    found = with_runs_found(experiment("k3x", "@last"), storage)
    assert with_runs_found(found, StoragePaths(storage.root / "elsewhere")) == found, "folders are what they are"


def test_weights_to_begin_with_are_those_of_a_run_or_a_folder(storage: StoragePaths, tmp_path: Path) -> None:
    def begun(word: str) -> str | None:
        made = Experiment.model_validate(
            {
                "name": "x",
                "data": {"kind": "synthetic"},
                "model": {"kind": "instant_ngp"},
                "train": {"start_from": word},
            }
        )
        return with_runs_found(made, storage).train.start_from

    assert begun("k3x") == str(storage.runs / "cars" / "20261121T071012-k3x9a2")
    assert begun(str(tmp_path / "tasks" / "0")) == str(tmp_path / "tasks" / "0"), "that of a task, seen when it is read"
    with pytest.raises(ConfigError, match=r"train\.start_from: no run 'zzz'"):
        begun("zzz")


def test_a_folder_is_made_absolute_where_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert named(experiment("./a", "b/c")) == (str(tmp_path / "a"), [str(tmp_path / "b" / "c"), None])


@pytest.mark.parametrize(
    ("start", "source", "message"),
    [
        ("zzz", "@last", r"model\.objects\.start_from: no run 'zzz' in"),
        ("@last", "/no/such/run", r"render\.edits\.1\.insert\.from: /no/such/run: no such folder"),
    ],
)
def test_what_means_no_run_is_refused_with_its_key(
    storage: StoragePaths, start: str, source: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        with_runs_found(experiment(start, source), storage)


def test_a_plan_holds_folders_in_every_task_of_a_sweep(
    storage: StoragePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSG_STORAGE", str(storage.root))
    file = tmp_path / "x.yaml"
    file.write_text(
        "name: x\ndata: {kind: street}\nmodel: {kind: scene_graph}\n"
        "sweep: {grid: {model.objects.start_from: ['@last', k3x]}}\n"
    )
    starts = [named(element)[0] for element in make_plan(file).elements]
    assert [RunPaths(Path(start or "")).root.name[-6:] for start in starts] == ["q7m222", "k3x9a2"]
