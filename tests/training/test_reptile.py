"""Reptile against its closed form, and a start that is learned, kept, handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nsg_cluster.config.compose import dump
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.training import checkpoint
from nsg_cluster.training.loop import train
from nsg_cluster.training.reptile import Reptile, task_of
from nsg_cluster.training.state import new_state
from nsg_cluster.training.step import take_step
from tests.models import street

SEEN: dict[str, Any] = {"kind": "vehicles", "vehicles": 3, "views": 3, "test_views": 1, "image_size": 12}
TRAIN: dict[str, Any] = {
    "steps": 8,
    "rays": 64,
    "samples": None,
    "preview_every": None,
    "threads": 1,
    "checkpoint_every_s": 1e-6,
    "keep_checkpoints": 9,
    "reptile": {"inner_steps": 4, "rate": 0.5},
    "loss": {"photometric": "mse", "opacity_entropy": 0},
    "schedule": {"kind": "constant", "warmup_steps": 0},
}
DRIVE: dict[str, Any] = {"kind": "street", "width": 32, "height": 16, "frames": 6, "cars": 2, "supersample": 1}
MODELS = pytest.mark.parametrize("model", [street.NSG, street.FAST], ids=["nsg", "nsg_fast"])


def learner(model: dict[str, Any], **train_: Any) -> Experiment:
    objects = model["objects"] | {"share": "all"}
    return Experiment.model_validate(
        {"name": "start", "data": SEEN, "model": model | {"objects": objects}, "train": TRAIN | train_}
    )


def learned(folder: Path, model: dict[str, Any], **train_: Any) -> RunPaths:
    experiment, run = learner(model, **train_), RunPaths(folder)
    run.task(0).root.mkdir(parents=True)
    run.task(0).spec.write_text(dump(experiment))
    train(experiment, run.task(0), stop=StopSignal())
    return run


def test_the_start_moves_as_its_closed_form_says_for_quadratics() -> None:
    """Task i has the loss a/2 (w - c_i)^2: k steps of rate h leave (1 - h a)^k of the way to c_i."""
    centers, curvature, rate, inner, turns = (2.0, -1.0, 5.0), 0.5, 0.2, 3, 6
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.7)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.0)
    reptile = Reptile(model, optimizer, inner_steps=inner, rate=0.8, steps=inner * turns)
    expected, left = 0.7, (1 - rate * curvature) ** inner
    for step in range(inner * turns):
        task = task_of(step, inner_steps=inner, tasks=3, seed=1, restart=0)
        optimizer.zero_grad()
        torch.autograd.backward(0.5 * curvature * (model.weight - centers[task]).square().sum())
        optimizer.step()
        reptile.update(step + 1)
        if (step + 1) % inner == 0:
            share = 0.8 * (1 - (step + 1 - inner) / (inner * turns))
            expected += share * (1 - left) * (centers[task] - expected)
            assert float(reptile.state()["weight"]) == pytest.approx(expected, rel=1e-6)
            assert float(model.weight.detach()) == pytest.approx(expected, rel=1e-6), (
                "the next turn begins from the start"
            )
            assert not optimizer.state


def test_every_task_has_its_turn_before_any_has_a_second_one() -> None:
    turns = [task_of(step, inner_steps=5, tasks=4, seed=3, restart=0) for step in range(0, 40, 5)]
    assert sorted(turns[:4]) == sorted(turns[4:]) == [0, 1, 2, 3]
    assert turns == [task_of(step + 4, inner_steps=5, tasks=4, seed=3, restart=0) for step in range(0, 40, 5)]


def test_a_turn_sees_one_object_alone() -> None:
    experiment = learner(street.FAST)
    scene = load_scene(experiment.data)
    batches = RayBatches(scene.train, "cpu")
    for frame in range(3):
        drawn = batches.at(batches.draw_of_frame(frame, 500, torch.Generator().manual_seed(frame)))
        assert drawn.rays.frames is not None and set(drawn.rays.frames.tolist()) == {frame}
        assert len(set(drawn.rays.images.tolist())) == 3, "from all of its images"


@MODELS
def test_a_turn_lowers_the_error_of_its_object(model: dict[str, Any]) -> None:
    experiment = learner(model, reptile={"inner_steps": 40, "rate": 1.0}, steps=40, rays=256)
    scene = load_scene(experiment.data)
    batches, state = RayBatches(scene.train, "cpu"), new_state(experiment, scene, torch.device("cpu"))
    errors = [float(take_step(experiment, batches, state).score.squared_error) for _ in range(40)]
    assert sum(errors[-5:]) < 0.8 * sum(errors[:5])


def test_a_learning_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = learned(tmp_path / "whole", street.FAST)
    cut = learned(tmp_path / "cut", street.FAST)
    for step in (7, 8):
        (cut.task(0).checkpoints / f"step-{step:08d}.pt").unlink()
    experiment = learner(street.FAST)
    train(experiment, cut.task(0), stop=StopSignal())
    states = [snapshot_of(run, experiment) for run in (whole, cut)]
    assert states[0] and all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def snapshot_of(run: RunPaths, experiment: Experiment) -> dict[str, Tensor]:
    found = checkpoint.load_newest(run.task(0).checkpoints, identity=checkpoint.identity(experiment))
    assert found is not None and found.average is not None and found.step == 8
    return found.average


def test_what_learns_a_start_goes_together() -> None:
    for document in (
        {"data": SEEN, "model": street.FAST},
        {"data": DRIVE, "model": street.FAST, "train": {"reptile": {}}},
        {"data": DRIVE, "model": street.FAST | {"objects": street.FAST["objects"] | {"share": "all"}}},
    ):
        with pytest.raises(ValueError, match="go together"):
            Experiment.model_validate({"name": "x"} | document)
    with pytest.raises(ValueError, match="leave out pixels"):
        learner(street.FAST, ema_decay=0.9)
