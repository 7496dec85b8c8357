"""From what a user types to a run: `nsg_cluster.runs.find`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.runs.find import all_runs, find_run, find_runs, run_id


@pytest.fixture
def storage(tmp_path: Path) -> StoragePaths:
    """Return a storage with four runs, and with folders that are none."""
    storage = StoragePaths(tmp_path)
    for experiment, name in [
        ("lego", "20261121T071012-k3x9a2"),
        ("lego", "20261121T071013-k3m222"),
        ("chair", "20261122T071012-abcdef"),
        ("chair", "20261120T071012-k3x9a2zz"),
    ]:
        run = storage.run(experiment, name)
        run.root.mkdir(parents=True)
        run.record.write_text("{}")
    storage.run("lego", ".new-q2w3e4").root.mkdir()
    storage.run("lego", ".new-q2w3e4").record.write_text("{}")
    storage.run("lego", "notes").root.mkdir()
    (storage.runs / "README").write_text("")
    return storage


def test_runs_are_listed_by_time_and_what_is_being_made_is_none(storage: StoragePaths) -> None:
    assert [run_id(run) for run in all_runs(storage)] == ["k3x9a2zz", "k3x9a2", "k3m222", "abcdef"]
    assert all_runs(StoragePaths(storage.root / "empty")) == []


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("abc", "abcdef"),
        ("k3m", "k3m222"),
        ("k3x9a2", "k3x9a2"),
        ("20261120", "k3x9a2zz"),
        ("20261121T071013-k3m222", "k3m222"),
        ("@last", "abcdef"),
    ],
)
def test_a_run_is_found_by_its_id_a_prefix_its_folders_name_or_as_the_last(
    storage: StoragePaths, word: str, found: str
) -> None:
    assert run_id(find_run(word, storage)) == found


def test_a_run_is_found_by_its_folder_from_anywhere(storage: StoragePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    run = all_runs(storage)[0]
    elsewhere = StoragePaths(storage.root / "elsewhere")
    assert find_run(str(run.root), elsewhere) == run
    monkeypatch.chdir(run.root)
    assert find_run(".", elsewhere) == RunPaths(run.root)
    monkeypatch.chdir(run.root.parent)
    assert find_run(run.root.name, elsewhere) == RunPaths(run.root)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("k3", "'k3' is the beginning of 3 runs: k3x9a2zz (chair), k3x9a2 (lego), k3m222 (lego); type more"),
        ("abcdeg", "no run 'abcdeg' in .*Did you mean 'abcdef'"),
        ("q2w3e4", "no run 'q2w3e4'"),
        ("*", r"no run '\*'"),
        ("", "cannot be called ''"),
        ("a\nb", r"no run 'a\\nb'"),
        ("./nowhere", "no such folder"),
        (".", "is not the folder of a run: it has no record.json"),
    ],
)
def test_what_is_no_run_or_several_is_refused(
    storage: StoragePaths, word: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(storage.root)
    with pytest.raises(RunError, match=message.replace("(", r"\(").replace(")", r"\)")):
        find_run(word, storage)


def test_words_that_mean_the_same_run_name_it_once(storage: StoragePaths) -> None:
    assert len(find_runs(["abc", "@last", "abcdef"], storage)) == 1
    assert find_runs([], storage) == all_runs(storage)
