"""The processes of a team: none outlives another, and what ends one is said once."""

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
from torch import nn

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import TrainingError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.process import process_start_time
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.models.build import build_model
from nsg_cluster.training.loop import train
from tests.contract.runs import until
from tests.training.tiny import many

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


def test_processes_get_a_gpu_each_or_one_sentence() -> None:
    document = json.loads(many(processes=4, device="auto").model_dump_json())
    for gpus in (4, 8, 0, None):  # with none, on a CPU
        Experiment.model_validate(document | {"resources": {"gpus": gpus}})
    with pytest.raises(ValueError, match=r"train\.processes: 4 processes need a GPU each, and resources\.gpus is 2"):
        Experiment.model_validate(document | {"resources": {"gpus": 2}})


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
