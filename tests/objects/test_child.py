"""A Blender that fails in every way a program can; programs written in Python stand in for it."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.core.errors import DataError, MachineError
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.objects.child import events


def told(code: str, folder: Path, stop: StopSignal | None = None) -> list[dict[str, Any]]:
    return list(events([sys.executable, "-c", code], folder, stop or StopSignal()))


def test_events_are_the_json_lines_and_other_output_is_none(tmp_path: Path) -> None:
    lines = ["Blender 5", '{"event": "view", "image": "a"}', "[1]", "{oops", '{"event": "note"}']
    code = f"print({chr(10).join(lines)!r})"
    assert told(code, tmp_path) == [{"event": "view", "image": "a"}, {"event": "note"}]


def test_a_broken_model_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^it has no faces$"):
        told('print(\'{"event": "error", "text": "it has no faces"}\'); raise SystemExit(2)', tmp_path)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.kill(os.getpid(), 11)", "Blender failed (ended by SIGSEGV); it said: nothing"),
        ("import os; os.kill(os.getpid(), 9)", "ended by SIGKILL, perhaps for lack of memory"),
        ("import sys; sys.exit('no\\x1b[2J such thing')", "exit status 1); it said:\n  no\\x1b[2J such thing"),
    ],
)
def test_a_fault_of_blender_is_told_with_its_last_words(tmp_path: Path, code: str, words: str) -> None:
    with pytest.raises(MachineError) as caught:
        told(code, tmp_path)
    assert words in str(caught.value)


def test_a_stop_ends_blender_at_once(tmp_path: Path) -> None:
    stop = StopSignal()
    threading.Timer(0.5, stop.request, args=["cancel"]).start()
    began = time.monotonic()
    code = 'import time; print(\'{"event": "view"}\', flush=True); time.sleep(600)'
    assert told(code, tmp_path, stop) == [{"event": "view"}]
    assert time.monotonic() - began < 60


def test_a_blender_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="cannot be started"):
        list(events([str(tmp_path / "blender")], tmp_path, StopSignal()))
