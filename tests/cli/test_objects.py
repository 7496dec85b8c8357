"""``data render-objects``: folders with broken models, scripts that read JSON, mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nsg_cluster.cli import main
from nsg_cluster.cli.data import data
from nsg_cluster.objects import program
from nsg_cluster.tasks.lock import locked
from tests.clusters.account import Unavailable, ordinary_account
from tests.clusters.interpreter import interpreter
from tests.objects.shapes import blender_or_skip, box_obj, write_box

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
FLAGS = ["--views", "1", "--val-views", "1", "--test-views", "1", "--size", "16", "--samples", "1", "--threads", "1"]


def run(*arguments: object) -> int:
    return main(["data", "render-objects", *map(str, arguments)])


def test_a_folder_is_rendered_around_a_broken_model_and_again_costs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blender_or_skip()
    write_box(tmp_path / "models", "my\nbox.obj")
    (tmp_path / "models" / "broken.obj").write_bytes(b"\0\1\2")
    assert run(tmp_path / "models", "--out", tmp_path / "out", *FLAGS, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    states = {item["name"]: item["state"] for item in document["models"]}
    assert states == {"broken": "broken", "my-box": "rendered"}
    assert (tmp_path / "out" / "my-box" / "transforms_test.json").is_file()
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["my-box"], "nothing is left of the broken one"
    assert run(tmp_path / "models", "--out", tmp_path / "out", *FLAGS) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "2 models: 1 kept, 1 broken; 0 views rendered now"
    assert "broken.obj: is binary" in said.err
    assert run(tmp_path / "models" / "broken.obj", "--out", tmp_path / "none", *FLAGS) == 2
    assert capsys.readouterr().err.count("broken.obj: is binary") == 1
    assert not (tmp_path / "none").exists()


def test_two_at_once_render_each_view_once(tmp_path: Path) -> None:
    blender_or_skip()
    command = [sys.executable, "-P", "-m", "nsg_cluster", "data", "render-objects", str(write_box(tmp_path)), *FLAGS]
    both = [
        subprocess.Popen([*command, "--views", "9", "--json"], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    documents = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    found = sorted((model["rendered"], model["state"]) for (model,) in (document["models"] for document in documents))
    assert found == [(0, "kept"), (11, "rendered")]


def test_control_c_ends_the_wait_for_another_that_renders_the_same(tmp_path: Path) -> None:
    blender_or_skip()
    command = [sys.executable, "-P", "-m", "nsg_cluster", "data", "render-objects", str(write_box(tmp_path)), *FLAGS]
    (tmp_path / "objects" / "box").mkdir(parents=True)
    with locked(tmp_path / "objects" / "box" / "lock"):
        waiting = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        assert waiting.stderr
        assert f"objects/box: is in use by process {os.getpid()} on" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        said = waiting.communicate(timeout=60)[1]
    assert waiting.returncode == 130
    assert said == "interrupted; the same command goes on where it stopped\n"


def test_an_experiment_renders_what_it_trains_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blender_or_skip()
    config = Path(__file__).resolve().parents[2] / "configs" / "shapenet_obj.yaml"
    few = ["data.views=1", "data.val_views=1", "data.test_views=1", "data.image_size=16", "data.samples=1"]
    assert run(config, f"data.model={write_box(tmp_path)}", f"data.out={tmp_path}/out/{{model}}", *few) == 0
    assert f"3 views in {tmp_path}/out/box (3 rendered now" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.obj"], "gone.obj: there is no such file"),
        (["loop.obj"], "loop.obj: is no file, but a link that leads to none"),
        (["box.obj", "--size", "2"], "--size: Input should be greater than or equal to 8"),
        (["box.obj", "--radius", "0.5"], "cameras.radius (0.5) must be larger than 1"),
        (["box.obj", "--site", "local"], "--detach and --wait go with --submit"),
        (["box.obj", "--wait"], "--detach and --wait go with --submit"),
        (["box.obj", "--submit", "--again"], "--again replaces views on this machine"),
        (["box.obj", "--submit", "resources.waltime=2h"], "Did you mean 'walltime'?"),
        (["box.obj", "data.views=3"], "settings go with FILE.yaml"),
        (["quick.yaml", "--views", "3"], "is changed by settings such as data.views=24"),
        (["quick.yaml"], "data.kind is 'synthetic'; only 'objects' is rendered"),
    ],
)
def test_a_mistake_is_a_sentence_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_box(tmp_path)
    (tmp_path / "loop.obj").symlink_to("loop.obj")
    configs = Path(__file__).resolve().parents[2] / "configs"
    (tmp_path / "quick.yaml").write_text(f"extends: {configs / 'quickstart.yaml'}\n")
    assert run(*arguments) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "objects").exists()


def test_an_ordinary_user_is_told_of_a_folder_that_is_read_only(tmp_path: Path) -> None:
    try:
        account = ordinary_account()
        python = interpreter(account)
    except Unavailable as error:
        pytest.skip(f"missing here: {error}")
    home = account.folder(Path(tempfile.mkdtemp(dir=account.folder(account.base / "work"))))
    model, closed = account.write(home / "box.obj", box_obj(library=None)), account.folder(home / "closed", 0o555)
    environment = account.environment(NSG_BLENDER="/bin/true")
    for out in (closed, closed / "deep" / "er"):
        argv = [str(python), "-P", "-m", "nsg_cluster", "data", "render-objects", str(model), "--out", str(out)]
        done = account.run(argv, env=environment, cwd=home)
        assert done.returncode == 2
        assert done.stderr == f"error: {out}: cannot be written: Permission denied; choose another folder\n"
    assert list(closed.iterdir()) == []


def test_without_blender_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NSG_BLENDER", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(program, "PACKAGES", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(write_box(tmp_path), "--out", tmp_path / "out") == 2
    assert "make render" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_command_of_the_group_has_an_example() -> None:
    for name, command in data.commands.items():
        assert f"launch.py data {name}" in (command.help or "")
