"""Checkpoints: what is kept, what is refused, what is passed over."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nsg_cluster.core.errors import CheckpointError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.build import build_model
from nsg_cluster.training import checkpoint
from nsg_cluster.training.checkpoint import Snapshot
from tests.training.tiny import tiny

WHO = checkpoint.identity(tiny())


def snapshot(step: int) -> Snapshot:
    return Snapshot(
        step=step,
        restart=0,
        rays=100 + step,
        cpu_s=1.5,
        wall_s=2.5,
        threads=1,
        model={"weight": torch.full((3,), float(step))},
        optimizer={"state": {0: {"step": torch.tensor(float(step))}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    )


def save(folder: Path, *steps: int, keep: int = 9) -> None:
    for step in steps:
        checkpoint.save(folder, snapshot(step), identity=WHO, keep=keep)


def load(folder: Path, **settings: Any) -> Snapshot | None:
    return checkpoint.load_newest(folder, identity=WHO, **settings)


def test_the_newest_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    save(tmp_path, 5, 20, 10)
    found = load(tmp_path)
    assert found is not None
    assert (found.step, found.rays, found.cpu_s, found.wall_s) == (20, 120, 1.5, 2.5)
    assert torch.equal(found.model["weight"], torch.full((3,), 20.0))
    assert found.optimizer["param_groups"] == [{"lr": 0.1, "params": [0]}]


def test_only_the_newest_few_are_kept_and_their_checksums_fit_sha256sum(tmp_path: Path) -> None:
    save(tmp_path, 1, 2, 3, keep=2)
    names = sorted(path.name for path in tmp_path.iterdir())
    pair = ["step-00000002.pt", "step-00000003.pt"]
    assert names == sorted([*pair, *(f"{name}.sha256" for name in pair)])
    digest, name = (tmp_path / "step-00000003.pt.sha256").read_text().split()
    assert digest == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def lose_the_checksum(path: Path) -> None:
    path.with_name(f"{path.name}.sha256").unlink()


def replace_by_something_else(path: Path) -> None:
    torch.save({"state_dict": {}}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n")


def replace_by_a_program(path: Path) -> None:
    torch.save({"format": 1, "call": Path}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (cut_short, "does not match its checksum"),
        (flip_a_bit, "does not match its checksum"),
        (lose_the_checksum, "step-00000010.pt.sha256 is missing"),
        (replace_by_something_else, "not a checkpoint of this version"),
        (replace_by_a_program, "not a checkpoint of this version"),
    ],
)
def test_a_damaged_newest_is_reported_and_the_one_before_is_used(tmp_path: Path, harm: Any, reason: str) -> None:
    save(tmp_path, 5, 10)
    harm(tmp_path / "step-00000010.pt")
    said: list[str] = []
    found = load(tmp_path, report=said.append)
    assert found is not None and found.step == 5
    assert len(said) == 1 and "step-00000010.pt: is passed over" in said[0] and reason in said[0]

    checkpoint.set_aside_newer(tmp_path, found.step)
    assert (tmp_path / "step-00000010.pt.damaged").exists()
    assert load(tmp_path, report=pytest.fail) is not None


def test_leftovers_of_a_kill_are_no_checkpoints(tmp_path: Path) -> None:
    save(tmp_path, 5)
    (tmp_path / "step-00000009.pt.sha256").write_text("0" * 64)
    (tmp_path / ".tmp-123456").write_bytes(b"half of a checkpoint")
    found = load(tmp_path, report=pytest.fail)
    assert found is not None and found.step == 5


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert load(tmp_path / "absent") is None
    assert load(tmp_path) is None


def test_a_checkpoint_of_another_experiment_is_refused_by_name(tmp_path: Path) -> None:
    save(tmp_path, 5)
    other = tiny(seed=3, train={"steps": 61})
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_newest(tmp_path, identity=checkpoint.identity(other))
    text = str(caught.value)
    assert "\n" not in text
    assert "seed was 0 and is 3" in text and "train.steps was 60 and is 61" in text


def test_what_does_not_change_the_weights_does_not_matter(tmp_path: Path) -> None:
    save(tmp_path, 5)
    free = {"threads": 2, "log_every": 3, "checkpoint_every_s": 1.0, "keep_checkpoints": 7, "preview_every": None}
    other = tiny(name="renamed", description="other words", train=free)
    assert checkpoint.load_newest(tmp_path, identity=checkpoint.identity(other)) is not None


def test_a_model_is_restored_for_evaluation(tmp_path: Path) -> None:
    experiment, paths = tiny(), TaskPaths(tmp_path)
    scene = load_scene(experiment.data)
    with pytest.raises(CheckpointError, match="train first"):
        checkpoint.load_model(experiment, paths, scene)
    trained = build_model(experiment.model, scene, seed=99)
    state = Snapshot(step=1, restart=0, rays=1, cpu_s=0, wall_s=0, threads=1, model=trained.state_dict(), optimizer={})
    checkpoint.save(paths.checkpoints, state, identity=WHO, keep=1)
    model, found = checkpoint.load_model(experiment, paths, scene)
    assert not model.training and found.step == 1
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(
        model.state_dict().values(), trained.state_dict().values(), strict=True))  # fmt: skip

    mean = {name: parameter.detach() + 1 for name, parameter in trained.named_parameters()}
    checkpoint.save(paths.checkpoints, replace(state, step=2, average=mean), identity=WHO, keep=1)
    model, _ = checkpoint.load_model(experiment, paths, scene)
    assert all(torch.equal(parameter, mean[name]) for name, parameter in model.named_parameters())
