"""Events of a training: scalars, notices, previews, and what happens when they cannot be written."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from nsg_cluster.core.errors import RunError, TrainingError
from nsg_cluster.core.files import read_jsonl
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.training.events import Events, disk_errors


def test_a_resumed_training_repeats_no_scalars_and_loses_no_notices(tmp_path: Path) -> None:
    paths = TaskPaths(tmp_path / "new")
    with Events(paths) as events:
        events.begin(0)
        for step in (10, 20, 30):
            events.scalars(step, {"loss": 1.0 / step})
        events.notice(30, "careful", "warning")
    with paths.events.open("a") as file:
        file.write('{"step": 40, "loss": 0.0')  # torn by a kill
    with Events(paths) as events:
        events.begin(20)
        events.scalars(30, {"loss": 0.5})
    written = read_jsonl(paths.events)
    assert [(event["step"], event.get("loss")) for event in written] == [
        (10, 0.1), (20, 0.05), (30, None), (30, 0.5)]  # fmt: skip
    assert written[2]["notice"] == "careful" and written[2]["level"] == "warning"
    assert all(event["time"] > 1e9 for event in written)


def test_tensorboard_gets_scalars_and_previews(tmp_path: Path) -> None:
    paths = TaskPaths(tmp_path)
    with Events(paths) as events:
        events.begin(0)
        events.scalars(5, {"loss": 0.25})
        events.preview(5, np.full((4, 6, 3), 128, dtype=np.uint8))
    assert (paths.previews / "step-00000005.png").read_bytes().startswith(b"\x89PNG")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(paths.tensorboard))
    board.Reload()
    assert [(event.step, event.value) for event in board.Scalars("loss")] == [(5, 0.25)]
    assert [event.step for event in board.Images("preview")] == [5]


def test_a_full_disk_stops_training_with_a_sentence() -> None:
    with pytest.raises(TrainingError, match=r"^disk full: .*last good checkpoint is kept"), disk_errors():
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(TrainingError, match=r"^disk full: .*events\.jsonl"), disk_errors():
        try:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        except OSError:
            raise RunError("events.jsonl: cannot be written") from None
    with pytest.raises(TrainingError, match=r"^cannot write: .*Permission denied"), disk_errors():
        raise PermissionError(errno.EACCES, "Permission denied")
