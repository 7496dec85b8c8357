"""A training that begins with the weights of another one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nsg_cluster.core.errors import CheckpointError
from nsg_cluster.core.files import read_jsonl
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.training.checkpoint import load_model, newest_weights
from nsg_cluster.training.loop import train
from nsg_cluster.training.state import begin_with, new_state
from tests.training.tiny import tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose one task was trained."""
    folder = tmp_path_factory.mktemp("run")
    train(tiny(train={"steps": 20, "ema_decay": 0.5}), TaskPaths(folder / "tasks" / "0"), stop=StopSignal())
    return folder


@pytest.mark.parametrize("part", ["", "tasks/0"])
def test_a_training_begins_with_the_weights_of_a_run_or_of_its_task(run: Path, tmp_path: Path, part: str) -> None:
    experiment = tiny(train={"steps": 1, "start_from": str(run / part), "optimizer": {"learning_rate": 1e-9}})
    train(experiment, paths := TaskPaths(tmp_path), stop=StopSignal())
    scene = load_scene(experiment.data)
    before, _ = load_model(tiny(train={"steps": 20, "ema_decay": 0.5}), TaskPaths(run / "tasks" / "0"), scene)
    after, snapshot = load_model(experiment, paths, scene)
    assert snapshot.step == 1
    for name, value in before.named_parameters():
        torch.testing.assert_close(dict(after.named_parameters())[name], value, rtol=0, atol=1e-6)
    notices = [line["notice"] for line in read_jsonl(paths.events) if "notice" in line]
    assert any(str(run) in str(notice) for notice in notices)


def test_what_does_not_fit_stays_and_is_named(run: Path) -> None:
    other = tiny(model={"appearance": 3})
    state = new_state(other, load_scene(other.data), CPU)
    own = {name: value.clone() for name, value in state.model.state_dict().items()}
    absent = begin_with(state, newest_weights(run))
    assert any("looks" in name for name in absent)
    for name, value in state.model.state_dict().items():
        if name in absent:
            assert torch.equal(value, own[name])


def test_a_folder_without_weights_and_weights_of_another_model_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no usable checkpoint"):
        newest_weights(tmp_path)
    nerf = tiny()
    state = new_state(nerf, load_scene(nerf.data), CPU)
    with pytest.raises(CheckpointError, match=r"train\.start_from must name a run of the same model"):
        begin_with(state, {"coarse.weight": torch.zeros(3)})
