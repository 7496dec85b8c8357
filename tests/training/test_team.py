"""Several processes train one model: the same weights as one process has, and none outlives another."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import TrainingError
from nsg_cluster.core.files import read_jsonl
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.process import process_start_time
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.models.build import build_model
from nsg_cluster.training import checkpoint
from nsg_cluster.training.checkpoint import Snapshot
from nsg_cluster.training.loop import train
from nsg_cluster.training.team import Team
from tests.contract.runs import until
from tests.training.test_loop import assert_same_result
from tests.training.tiny import ALL_OPTIONS, tiny

LEADS = """
import json, sys
from pathlib import Path
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.training.loop import train

if __name__ == "__main__":
    train(Experiment.model_validate(json.loads(sys.argv[1])), TaskPaths(Path(sys.argv[2])), stop=StopSignal())
"""


class StopAt(StopSignal):
    """Is asked to stop after some steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    @property  # type: ignore[override]
    def requested(self) -> str | None:
        """What was asked."""
        self._left -= 1
        return "warning" if self._left <= 0 else None

    @requested.setter
    def requested(self, value: str | None) -> None:
        """Take nothing in."""


def many(**changes: object) -> Experiment:
    return tiny(train={"processes": 2, "threads": 2, "steps": 12, **changes})


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


def test_when_one_process_is_killed_the_others_end_and_say_so(tmp_path: Path) -> None:
    def kill() -> None:
        until(lambda: any((tmp_path / "checkpoints").glob("*.pt")), "a checkpoint")
        (other,) = multiprocessing.active_children()
        assert other.pid is not None
        os.kill(other.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    gone = r"process 1 of train\.processes is gone: it was ended by SIGKILL, perhaps for lack of memory"
    with pytest.raises(TrainingError, match=gone):
        train(many(steps=100_000, checkpoint_every_s=0.1), TaskPaths(tmp_path), stop=StopSignal())
    killer.join()
    assert not multiprocessing.active_children()


def test_when_the_leader_is_killed_nobody_is_left(tmp_path: Path) -> None:
    document = many(steps=100_000, checkpoint_every_s=0.1).model_dump_json()
    leader = subprocess.Popen([sys.executable, "-c", LEADS, document, str(tmp_path)], start_new_session=True)
    try:
        until(lambda: any((tmp_path / "checkpoints").glob("*.pt")), "a checkpoint")
        everybody = _group(leader.pid)
        assert len(everybody) >= 2
    finally:
        leader.kill()
        leader.wait()
    until(lambda: all(process_start_time(pid) is None for pid in everybody), "the end of the others")


def test_what_one_of_them_finds_stops_all_with_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build_poisoned(*arguments: Any, **settings: Any) -> nn.Module:
        model: nn.Module = build_model(*arguments, **settings)
        weight = model.get_parameter("field.color_network.layers.0.weight")
        weight.register_hook(lambda gradient: gradient * float("nan"))  # type: ignore[no-untyped-call]
        return model

    # In the process that leads alone: what it finds reaches the other with the gradients.
    monkeypatch.setattr("nsg_cluster.training.state.build_model", build_poisoned)
    with pytest.raises(TrainingError, match=r"step 1: .*'field\.color_network\.layers\.0\.weight' are NaN"):
        train(many(), TaskPaths(tmp_path), stop=StopSignal())
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("rays", "size"), [(16, 16), (17, 3), (1024, 8), (5, 1)])
def test_shares_are_a_batch_and_differ_by_one_ray_at_most(rays: int, size: int) -> None:
    shares = [range(rays)[Team(rank, size).share(rays)] for rank in range(size)]
    assert [ray for share in shares for ray in share] == list(range(rays))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_processes_get_a_gpu_each_or_one_sentence() -> None:
    document = json.loads(many(processes=4, device="auto").model_dump_json())
    for gpus in (4, 8, 0, None):  # with none, on a CPU
        Experiment.model_validate(document | {"resources": {"gpus": gpus}})
    with pytest.raises(ValueError, match=r"train\.processes: 4 processes need a GPU each, and resources\.gpus is 2"):
        Experiment.model_validate(document | {"resources": {"gpus": 2}})


def test_one_process_sends_nothing() -> None:
    alone, model = Team(), nn.Linear(2, 1)
    alone.sum_gradients(model)
    assert model.weight.grad is None and alone.sums([3.0]) == [3.0] and alone.agreed("cancel") == "cancel"


def _group(leader: int) -> list[int]:
    """Return the processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == leader:
            found.append(int(path.parent.name))
    return found
