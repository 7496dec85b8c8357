"""`nsg_cluster.tasks.staging` and `nsg_cluster.core.staged`: data to the node's own disk, results back from it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from nsg_cluster.config.compose import dump, load
from nsg_cluster.core.errors import ConfigError, DataError, RunError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.core.staged import COPY, ORIGINAL, redirect, staged
from nsg_cluster.tasks import staging
from nsg_cluster.tasks.staging import Wish, stage_in, staged_here


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return scratch, which the environment names."""
    for name in (ORIGINAL, COPY):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("NSG_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.fixture
def paths(tmp_path: Path) -> TaskPaths:
    """Return the folder of a task."""
    (tmp_path / "task").mkdir()
    return TaskPaths(tmp_path / "task")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return data: images of two sequences, with links as datasets have them."""
    root = tmp_path / "data set"
    for name in ("training/image/0006/a.png", "training/image/0007/b.png", "training/label/0006.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c.png").write_text("linked")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "linked" / "round").symlink_to(root)
    return root


def wish(root: Path, *, data: bool = False, only: tuple[str, ...] = (), results: bool = False) -> Wish:
    return Wish(root=str(root), data=data, only=only, results=results)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_data_is_read_from_its_copy_and_from_where_it_lies_if_there_is_none(tmp_path: Path) -> None:
    assert staged("/data/lego") == "/data/lego"
    redirect("/data/lego", tmp_path)
    assert staged("/data/lego") == str(tmp_path)
    assert staged("/data/lego/train/x.png") == str(tmp_path / "train/x.png")
    assert staged("/data/lego2") == "/data/lego2"


def test_the_data_is_copied_with_what_its_links_lead_to(paths: TaskPaths, root: Path, scratch: Path) -> None:
    with StopSignal() as stop:
        stage, said = stage_in(wish(root, data=True), paths, stop)
    assert stage.data is not None
    original, copy = stage.data
    expected = {"training/image/0006/a.png", "training/image/0007/b.png", "training/label/0006.txt", "linked/c.png"}
    assert original == str(root) and copy.is_relative_to(scratch) and names(copy) == expected
    assert (copy / "linked/c.png").read_text() == "linked" and "copied 4 files" in said
    assert stage.arguments == ["--data", str(root), str(copy)]
    stage.remove()
    assert not list(scratch.iterdir()), "sites do not all clean up behind a job"


def test_of_a_large_dataset_only_a_part_is_copied(paths: TaskPaths, root: Path) -> None:
    with StopSignal() as stop:
        stage, _ = stage_in(wish(root, data=True, only=("training/*/0006*",)), paths, stop)
        assert stage.data and names(stage.data[1]) == {"training/image/0006/a.png", "training/label/0006.txt"}
        with pytest.raises(DataError, match=r"nothing in .* fits resources.scratch.only: training/0008"):
            stage_in(wish(root, data=True, only=("training/0008",)), paths, stop)


def test_results_come_back_whole_and_the_marks_last(
    paths: TaskPaths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StopSignal() as stop:
        stage, _ = stage_in(wish(root, results=True), paths, stop)
    inside = TaskPaths(paths.root, stage.results)
    assert inside.checkpoints == paths.checkpoints and inside.log_out == paths.log_out and inside.status == paths.status
    for path in (inside.evaluation / "a.png", inside.renders / "deep" / "b.mp4", inside.metrics, inside.stages):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    (inside.evaluation / ".tmp-1").write_text("half")
    order: list[str] = []
    copy = staging._copy_whole

    def noted(source: Path, target: Path) -> None:
        order.append(target.name)
        copy(source, target)

    monkeypatch.setattr(staging, "_copy_whole", noted)
    stage.copy_back()
    assert names(paths.root) == {"evaluation/a.png", "renders/deep/b.mp4", "metrics.json", "stages.json"}
    assert order[-1] == "stages.json"
    (inside.evaluation / "a.png").write_text("another")
    stage.copy_back()
    assert order[4:] == ["a.png"], "only what is new"
    assert (paths.evaluation / "a.png").read_text() == "another"


def test_an_attempt_that_goes_on_finds_the_results_of_the_one_before(paths: TaskPaths, root: Path) -> None:
    paths.renders.mkdir()
    (paths.renders / "a.mp4").write_text("first")
    paths.stages.write_text("{}")
    with StopSignal() as stop:
        stage, _ = stage_in(wish(root, results=True), paths, stop)
    assert stage.results is not None and names(stage.results) == {"renders/a.mp4", "stages.json"}


def test_results_come_back_from_a_task_that_fails_in_this_process(paths: TaskPaths, root: Path, scratch: Path) -> None:
    def fail() -> None:
        with StopSignal() as stop, staged_here(wish(root, data=True, results=True), paths, stop) as found:
            assert Path(staged(str(root))).is_relative_to(scratch)
            found.metrics.write_text("{}")
            assert not paths.metrics.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert paths.metrics.exists() and not list(scratch.iterdir())


def test_a_request_to_stop_ends_the_copying(paths: TaskPaths, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied, copyfile = threading.Event(), shutil.copyfile
    with StopSignal() as stop:

        def slowly(source: Path, target: Path) -> None:
            stop.request("warning")
            copyfile(source, target)
            copied.set()

        monkeypatch.setattr(shutil, "copyfile", slowly)
        monkeypatch.setattr(staging, "NUM_COPIERS", 1)
        stage, _ = stage_in(wish(root, data=True), paths, stop)
    assert copied.is_set() and stage.data and len(names(stage.data[1])) == 1


def test_without_room_or_scratch_or_data_it_says_so_and_leaves_nothing(
    paths: TaskPaths, root: Path, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StopSignal() as stop:
        with pytest.raises(DataError, match=r"data.root: .*/absent: cannot be read: No such file"):
            stage_in(wish(tmp_path / "absent", data=True), paths, stop)
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
        with pytest.raises(DataError, match=r"do not fit on scratch: .* has 10 B"):
            stage_in(wish(root, data=True), paths, stop)
        assert not list(scratch.iterdir())
        monkeypatch.setenv("NSG_SCRATCH", "/proc/nothing")
        with pytest.raises(RunError, match="scratch /proc/nothing: cannot be used"):
            stage_in(wish(root, data=True), paths, stop)
        monkeypatch.delenv("NSG_SCRATCH")
        with pytest.raises(RunError, match="the site's `scratch` names no folder"):
            stage_in(wish(root, results=True), paths, stop)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("only: [a]", "only: says which of the data is copied"),
        ("{data: true, only: [a/../../b]}", "a pattern cannot lead out of data.root"),
        ("{data: true, only: [/etc]}", "only"),
    ],
)
def test_patterns_that_mean_nothing_or_lead_outside_are_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    wrapped = text if text.startswith("{") else f"{{{text}}}"
    file.write_text(
        f"name: a\ndata: {{kind: synthetic}}\nmodel: {{kind: instant_ngp}}\nresources: {{scratch: {wrapped}}}\n"
    )
    with pytest.raises(ConfigError, match=message):
        load(file, variables={})


def test_a_wish_is_read_from_a_spec_as_its_model_has_it(paths: TaskPaths, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    scratch = "{data: true, only: [a, b/**], results: true}"
    file.write_text(
        f"name: a\ndata: {{kind: blender, root: {tmp_path}}}\nmodel: {{kind: instant_ngp}}\n"
        f"resources: {{scratch: {scratch}}}\n"
    )
    experiment = load(file, variables={})
    paths.spec.write_text(dump(experiment))
    assert Wish.read(paths) == Wish.of(experiment) == wish(tmp_path, data=True, only=("a", "b/**"), results=True)
    file.write_text(file.read_text().partition("resources")[0])
    paths.spec.write_text(dump(load(file, variables={})))
    assert not Wish.read(paths)
