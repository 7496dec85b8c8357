"""Several processes train one model: to the same weights as one process."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.files import read_jsonl
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.training import checkpoint
from nsg_cluster.training.checkpoint import Snapshot
from nsg_cluster.training.loop import train
from nsg_cluster.training.team import Team
from tests.training.stopping import StopAt
from tests.training.test_loop import assert_same_result
from tests.training.tiny import ALL_OPTIONS, many, tiny


def final(folder: Path, experiment: Experiment) -> Snapshot:
    found = checkpoint.load_newest(TaskPaths(folder).checkpoints, identity=checkpoint.identity(experiment))
    assert found is not None
    return found


def test_two_processes_arrive_where_one_does_and_say_the_same(tmp_path: Path) -> None:
    # Where samples are drawn at random, each process has numbers of its own.
    changes = {"jitter": False, "log_every": 1, "rays_at_once": 24}
    snapshots, events = [], []
    for processes in (1, 2):
        folder, experiment = tmp_path / str(processes), many(**changes, processes=processes)
        train(experiment, TaskPaths(folder), stop=StopSignal())
        snapshots.append(final(folder, experiment))
        events.append([event for event in read_jsonl(TaskPaths(folder).events) if "loss" in event])
    one, two = snapshots
    assert one.rays == two.rays and one.rays != 64, "the number of rays depends on the samples of all of them"
    for name, weights in one.model.items():
        torch.testing.assert_close(two.model[name], weights, rtol=1e-4, atol=1e-5, msg=name)
    assert len(events[1]) == len(events[0]) == 12, "one process writes"
    for mine, theirs in zip(*events, strict=True):
        assert mine["samples"] == theirs["samples"] and mine["loss"] == pytest.approx(theirs["loss"], rel=1e-3)


def test_a_team_that_is_stopped_goes_on_to_the_bits_of_one_that_is_not(tmp_path: Path) -> None:
    options = {**ALL_OPTIONS, "train": {**ALL_OPTIONS["train"], "processes": 2, "threads": 2, "steps": 10}}
    experiment = tiny(**options)
    stopped = train(experiment, TaskPaths(tmp_path / "cut"), stop=StopAt(4))
    assert (stopped.step, stopped.stopped) == (4, "warning")
    for folder in ("cut", "uncut"):
        assert train(experiment, TaskPaths(tmp_path / folder), stop=StopSignal()).step == 10
    assert_same_result(*(final(tmp_path / folder, experiment) for folder in ("cut", "uncut")))


@pytest.mark.parametrize(("rays", "size"), [(16, 16), (17, 3), (1024, 8), (5, 1)])
def test_shares_are_a_batch_and_differ_by_one_ray_at_most(rays: int, size: int) -> None:
    shares = [range(rays)[Team(rank, size).share(rays)] for rank in range(size)]
    assert [ray for share in shares for ray in share] == list(range(rays))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_process_sends_nothing() -> None:
    alone, model = Team(), nn.Linear(2, 1)
    alone.sum_gradients(model)
    assert model.weight.grad is None and alone.sums([3.0]) == [3.0] and alone.agreed("cancel") == "cancel"
