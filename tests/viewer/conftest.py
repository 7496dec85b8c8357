"""A small training, stopped on its way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.training.loop import train
from tests.training.stopping import StopAt
from tests.training.tiny import tiny

Halfway = Callable[[], None]


@pytest.fixture
def halfway(tmp_path: Path) -> tuple[Experiment, TaskPaths, Halfway]:
    """Return an experiment with a checkpoint of step 30, and what trains it to step 60."""
    experiment, paths = tiny(), TaskPaths(tmp_path / "run" / "tasks" / "0")
    train(experiment, paths, stop=StopAt(30))
    return experiment, paths, lambda: assert_done(experiment, paths)


def assert_done(experiment: Experiment, paths: TaskPaths) -> None:
    """Train to the end."""
    assert train(experiment, paths, stop=StopSignal()).step == 60
