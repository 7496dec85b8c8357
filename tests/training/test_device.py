"""Devices and threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from nsg_cluster.config.schema import TrainConfig
from nsg_cluster.core.errors import MachineError
from nsg_cluster.training.device import prepare_device


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_come_from_the_experiment_then_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert prepare_device(TrainConfig(device="cpu", threads=1)) == torch.device("cpu")
    assert torch.get_num_threads() == 1
    prepare_device(TrainConfig(device="cpu"))
    assert torch.get_num_threads() == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "not a number")
    prepare_device(TrainConfig(device="cpu"))
    assert torch.get_num_threads() >= 1


def test_a_missing_gpu_is_the_users_mistake_unless_it_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert prepare_device(TrainConfig(device="auto", threads=1)).type == "cpu"
    with pytest.raises(MachineError, match=r"train\.device: 'cuda' is asked for, but .*'auto' or 'cpu'"):
        prepare_device(TrainConfig(device="cuda", threads=1))
