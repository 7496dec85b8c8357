"""The training loop: resuming, stopping, dying, restarting."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import ConfigError, TrainingError
from nsg_cluster.core.files import read_json, read_jsonl
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.build import build_model
from nsg_cluster.models.instant_ngp import InstantNgp
from nsg_cluster.training import checkpoint, loop
from nsg_cluster.training.checkpoint import Snapshot
from tests.training.tiny import ALL_OPTIONS, TINY, tiny

CHECKOUT = Path(__file__).resolve().parents[2]

# Runs attempts as forked children of a process in which everything is imported and nothing was computed yet.
KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.training.loop import train

experiment = Experiment.model_validate(json.loads(sys.argv[1]))
folder, kills, chance = Path(sys.argv[2]), int(sys.argv[3]), random.Random(int(sys.argv[4]))

def names():
    return set(os.listdir(folder / "checkpoints")) if (folder / "checkpoints").is_dir() else set()

def attempt(patience_s):
    child = os.fork()
    if child == 0:
        try:
            train(experiment, TaskPaths(folder), stop=StopSignal())
            os._exit(0)
        finally:
            os._exit(1)
    if patience_s is not None:
        before = names()
        while names() == before and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.0005)
        time.sleep(patience_s)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]

outcomes = [attempt(chance.uniform(0, 0.15)) for _ in range(kills)] + [attempt(None)]
print(json.dumps(outcomes))
"""


class StopAfter(StopSignal):
    """Asks for a stop once it has been looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    @property
    def requested(self) -> Any:
        self.looks -= 1
        return "warning" if self.looks < 0 else None

    @requested.setter
    def requested(self, value: object) -> None: ...


def final(paths: TaskPaths, experiment: Experiment) -> Snapshot:
    found = checkpoint.load_newest(paths.checkpoints, identity=checkpoint.identity(experiment), report=pytest.fail)
    assert found is not None
    return found


def assert_equal(one: Any, other: Any) -> None:
    """Compare nested containers of tensors, bit by bit."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert_equal(value, other[key])
    elif isinstance(one, (list, tuple)):
        for ours, theirs in zip(one, other, strict=True):
            assert_equal(ours, theirs)
    else:
        assert one == other


def assert_same_result(one: Snapshot, other: Snapshot) -> None:
    for name in sorted(set(Snapshot.__dataclass_fields__) - {"cpu_s", "wall_s"}):
        assert_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("options", [{}, ALL_OPTIONS], ids=["usual", "all-options"])
def test_a_training_that_is_killed_again_and_again_ends_with_the_same_bits(
    options: dict[str, Any], tmp_path: Path
) -> None:
    settings = {"steps": 150, "threads": 2, "checkpoint_every_s": 0.01, "keep_checkpoints": 3}
    experiment = tiny(model=options.get("model", {}), train=settings | options.get("train", {}))
    results = []
    for kills in (0, 6):
        paths = TaskPaths(tmp_path / str(kills))
        paths.root.mkdir()
        seed = int.from_bytes(os.urandom(2), "big")
        program = [sys.executable, "-c", KILLER, experiment.model_dump_json(), str(paths.root), str(kills), str(seed)]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_WAIT_POLICY": "PASSIVE"}
        done = subprocess.run(program, capture_output=True, text=True, timeout=300, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        outcomes = json.loads(done.stdout)
        assert outcomes[-1] == 0, done.stderr
        assert outcomes.count(9) >= min(kills, 2), f"seed {seed}: too few attempts were really killed: {outcomes}"
        results.append(final(paths, experiment))
        steps = [event["step"] for event in read_jsonl(paths.events) if "loss" in event]
        assert steps == list(range(10, 151, 10)), "scalars are neither lost nor repeated"
    assert_same_result(*results)


def test_a_warning_stops_after_a_checkpoint_and_the_next_attempt_goes_on(tmp_path: Path) -> None:
    experiment = tiny()
    paths, straight = TaskPaths(tmp_path / "stopped"), TaskPaths(tmp_path / "straight")
    result = loop.train(experiment, paths, stop=StopAfter(23))
    assert (result.stopped, result.step) == ("warning", 24)
    assert final(paths, experiment).step == 24

    result = loop.train(experiment, paths, stop=StopSignal())
    assert (result.stopped, result.step, result.restarts) == (None, 60, 0)
    loop.train(experiment, straight, stop=StopSignal())
    assert_same_result(final(paths, experiment), final(straight, experiment))
    events = read_jsonl(paths.events)
    assert any("continued from the checkpoint of step 24" in event.get("notice", "") for event in events)
    last = next(event for event in reversed(events) if "loss" in event)
    assert {"step", "time", "cpu_s", "wall_s", "loss", "psnr", "lr", "rays", "samples", "occupied"} <= last.keys()
    times = [event["cpu_s"] for event in events if "cpu_s" in event]
    assert times == sorted(times), "CPU time goes on from where the first attempt stopped"
    assert read_json(paths.progress)["step"] == 60
    assert sorted(path.name for path in paths.previews.iterdir()) == [
        f"step-{step:08d}.png" for step in (25, 50, 60)]  # fmt: skip


def test_a_grid_with_surroundings_goes_on_as_if_never_stopped_and_refined_poses_are_written(tmp_path: Path) -> None:
    sampler = {**TINY["model"]["sampler"], "cone_angle": 1 / 64, "skip_unseen": True}
    model = {"kind": "instant_ngp", "bound": 4.0, "sampler": sampler, "appearance": 2, "exposure": True, "poses": {}}
    experiment = tiny(model=model, train={"steps": 40, "pixels": "error_map", "ema_decay": 0.9})
    paths, straight = TaskPaths(tmp_path / "stopped"), TaskPaths(tmp_path / "straight")
    for looks in (8, 8, 100):
        loop.train(experiment, paths, stop=StopAfter(looks))
    loop.train(experiment, straight, stop=StopSignal())
    assert_same_result(final(paths, experiment), final(straight, experiment))
    document = read_json(paths.refined_poses)
    assert document == read_json(straight.refined_poses)
    given = load_scene(experiment.data).train
    assert [frame["file_path"] for frame in document["frames"]] == list(given.names)
    moved = (
        torch.tensor([frame["transform_matrix"] for frame in document["frames"]])[:, :3] - given.cameras.camera_to_world
    )
    assert 1e-4 < float(moved.abs().max()) < 0.2


@pytest.mark.parametrize(
    ("kind", "noisy"),
    [
        ("mipnerf", {"density_noise": 1.0}),
        ("mipnerf360", {"density_noise": 1.0}),
        ("mipnerf360", {"reflections": {"color_layers": 2, "bottleneck_noise": 1.0}, "normals": "predicted"}),
    ],
    ids=["density", "density, proposals", "bottleneck"],
)
def test_noise_in_the_network_of_cones_is_the_same_whether_training_was_stopped_or_not(
    kind: str, noisy: dict[str, Any], tmp_path: Path
) -> None:
    field = {"width": 16, "hidden_layers": 2, "bottleneck": 8, "color_width": 8, "frequencies": 4}
    more = {} if kind == "mipnerf" else {"proposal_width": 8, "proposal_layers": 2, "rounds": [8]}
    train = TINY["train"] | {"steps": 20, "samples": None, "preview_every": None}
    results = []
    quiet_one = noisy | {"density_noise": 0.0}
    if "reflections" in noisy:
        quiet_one["reflections"] = noisy["reflections"] | {"bottleneck_noise": 0.0}
    for name, noise, looks in (
        ("stopped", noisy, (6, 6, 100)),
        ("straight", noisy, (100,)),
        ("quiet", quiet_one, (100,)),
    ):
        model = {"kind": kind, "samples": 8, "field": {**field, **noise}, **more}
        experiment = Experiment.model_validate({**TINY, "model": model, "train": train})
        paths = TaskPaths(tmp_path / name)
        for look in looks:
            loop.train(experiment, paths, stop=StopAfter(look))
        results.append(final(paths, experiment))
    stopped, straight, quiet = results
    assert stopped.step == 20
    assert_same_result(stopped, straight)
    assert any(not torch.equal(value, quiet.model[name]) for name, value in straight.model.items())


def test_a_loss_of_the_sky_needs_maps_that_know_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.loss\.sky: these data have no class maps with a sky"):
        loop.train(tiny(train={"loss": {"sky": 0.1}}), TaskPaths(tmp_path), stop=StopSignal())


def test_a_finished_training_is_left_as_it_is(tmp_path: Path) -> None:
    experiment, paths = tiny(train={"steps": 3}), TaskPaths(tmp_path)
    loop.train(experiment, paths, stop=StopSignal())
    before = {path.name: path.stat().st_mtime_ns for path in paths.checkpoints.iterdir()}
    result = loop.train(experiment, paths, stop=StopSignal())
    assert result.step == 3 and result.stopped is None
    assert {path.name: path.stat().st_mtime_ns for path in paths.checkpoints.iterdir()} == before


def test_a_damaged_newest_checkpoint_is_reported_and_the_result_is_the_same(tmp_path: Path) -> None:
    experiment = tiny(train={"steps": 30, "checkpoint_every_s": 1e-6, "keep_checkpoints": 3})
    paths, straight = TaskPaths(tmp_path / "damaged"), TaskPaths(tmp_path / "straight")
    loop.train(experiment, straight, stop=StopSignal())
    loop.train(experiment, paths, stop=StopAfter(19))
    newest = max(paths.checkpoints.glob("*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    loop.train(experiment, paths, stop=StopSignal())
    assert_same_result(final(paths, experiment), final(straight, experiment))
    notices = [event["notice"] for event in read_jsonl(paths.events) if "notice" in event]
    assert "step-00000020.pt: is passed over" in notices[0] and "continued from the checkpoint of step 19" in notices[1]


def dying(monkeypatch: pytest.MonkeyPatch, *, starts: int) -> None:
    """Make the fields of the first starts transparent for good."""
    built: list[InstantNgp] = []

    def build_dead(*arguments: Any, **settings: Any) -> InstantNgp:
        model = build_model(*arguments, **settings)
        assert isinstance(model, InstantNgp)
        if len(built) < starts:
            model.field.density_scale = 0.0
        built.append(model)
        return model

    monkeypatch.setattr("nsg_cluster.training.state.build_model", build_dead)


def test_a_dead_start_is_reported_and_another_seed_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, paths = tiny(train={"dead_start": {"check_step": 15}}), TaskPaths(tmp_path / "dead")
    dying(monkeypatch, starts=1)
    result = loop.train(experiment, paths, stop=StopSignal())
    assert (result.step, result.restarts) == (60, 1)
    notices = [event for event in read_jsonl(paths.events) if "notice" in event]
    assert [event["level"] for event in notices] == ["warning"]
    assert "start 1 of 2 is dead at step 15: every ray is empty" in notices[0]["notice"]

    monkeypatch.undo()
    alive = TaskPaths(tmp_path / "alive")
    assert loop.train(experiment, alive, stop=StopSignal()).restarts == 0
    weights = [final(each, experiment).model["field.grid.table"] for each in (paths, alive)]
    assert not torch.equal(*weights), "the second start has weights of its own"


def test_training_is_given_up_when_every_start_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, paths = tiny(train={"dead_start": {"check_step": 10}}), TaskPaths(tmp_path)
    dying(monkeypatch, starts=2)
    with pytest.raises(TrainingError, match="given up: start 2 of 2 is dead at step 10"):
        loop.train(experiment, paths, stop=StopSignal())
    assert [event["level"] for event in read_jsonl(paths.events) if "notice" in event] == ["warning", "error"]


def test_a_gradient_that_is_not_finite_stops_with_the_last_good_checkpoint_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, paths = tiny(train={"checkpoint_every_s": 1e-6}), TaskPaths(tmp_path)
    calls = [0]

    def poison(gradient: torch.Tensor) -> torch.Tensor:
        calls[0] += 1
        return gradient * float("nan") if calls[0] == 12 else gradient

    def build_poisoned(*arguments: Any, **settings: Any) -> InstantNgp:
        model = build_model(*arguments, **settings)
        assert isinstance(model, InstantNgp)
        weight = model.get_parameter("field.color_network.layers.0.weight")
        weight.register_hook(poison)  # type: ignore[no-untyped-call]
        return model

    monkeypatch.setattr("nsg_cluster.training.state.build_model", build_poisoned)
    with pytest.raises(TrainingError, match=r"step 12: .*'field\.color_network\.layers\.0\.weight' are NaN"):
        loop.train(experiment, paths, stop=StopSignal())
    kept = final(paths, experiment)
    assert kept.step == 11
    assert all(torch.isfinite(value).all() for value in kept.model.values())


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before_intact(tmp_path: Path) -> None:
    experiment, paths = tiny(), TaskPaths(tmp_path)
    loop.train(experiment, paths, stop=StopAfter(9))
    size = (paths.checkpoints / "step-00000010.pt").stat().st_size
    with no_file_larger_than(size - 1), pytest.raises(TrainingError, match=r"^disk full: .*step-00000020\.pt"):
        loop.train(experiment, paths, stop=StopAfter(9))
    assert final(paths, experiment).step == 10
    assert not list(paths.checkpoints.glob(".tmp*")), "no half-written file is left"
    assert loop.train(experiment, paths, stop=StopSignal()).step == 60


def test_training_on_a_full_disk_stops_with_a_sentence_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("a small file system can be mounted by root only, outside of most containers")
    try:
        experiment, paths = tiny(), TaskPaths(disk / "task")
        loop.train(experiment, paths, stop=StopAfter(9))
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space left"), ballast.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        with pytest.raises(TrainingError, match=r"^disk full: .*No space left on device"):
            loop.train(experiment, paths, stop=StopSignal())
        assert final(paths, experiment).step == 10
        ballast.unlink()
        assert loop.train(experiment, paths, stop=StopSignal()).step == 60
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
