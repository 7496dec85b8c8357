"""`nsg_cluster.tasks.lock`: one process at a time, and what becomes of those that wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.tasks import lock
from nsg_cluster.tasks.lock import in_turn, locked
from tests.contract.runs import until

CHECKOUT = Path(__file__).resolve().parents[2]
HOLDERS = {
    "locked": "locked(path)",
    "in_turn": "in_turn(path, stop=StopSignal(), say=print)",
}
Hold = Callable[[Path, str], "subprocess.Popen[str]"]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Return what starts a process that holds a lock until its standard input ends."""
    started: list[subprocess.Popen[str]] = []

    def start(path: Path, how: str) -> subprocess.Popen[str]:
        code = f"""
import sys
from pathlib import Path
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.tasks import lock
from nsg_cluster.tasks.lock import in_turn, locked
lock.SIGN_OF_LIFE_S = 0.05
path = Path({str(path)!r})
with {HOLDERS[how]}:
    print("held", flush=True)
    sys.stdin.read()
"""
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        argv, pipe = [sys.executable, "-c", code], subprocess.PIPE
        started.append(subprocess.Popen(argv, env=environment, text=True, stdin=pipe, stdout=pipe))
        assert (output := started[-1].stdout)
        assert output.readline() == "held\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_with_a_sentence_until_the_first_has_ended(tmp_path: Path, hold: Hold) -> None:
    path = tmp_path / "lock"
    holder = hold(path, "locked")
    with pytest.raises(RunError, match=rf"is in use by process {holder.pid} on .*; wait for it to end"), locked(path):
        pass
    holder.kill()
    with locked(path, wait_s=10):
        assert str(os.getpid()) in path.read_text()


def test_who_waits_for_a_turn_is_told_for_whom_and_hears_a_request_to_stop(tmp_path: Path, hold: Hold) -> None:
    path, stop, said = tmp_path / "lock", StopSignal(), []
    holder = hold(path, "in_turn")

    def say(text: str) -> None:
        said.append(text)
        stop.request("warning")

    with in_turn(path, stop=stop, say=say) as has_turn:
        assert not has_turn
    (sentence,) = said
    assert sentence.startswith(f"{tmp_path}: is in use by process {holder.pid} on {os.uname().nodename} since 20")
    assert sentence.endswith(" UTC; waiting for it to end")
    assert holder.poll() is None and path.exists()


@pytest.mark.parametrize("how", ["ends", "is killed", "takes the folder away"])
def test_the_turn_comes_however_the_holder_ends(tmp_path: Path, hold: Hold, how: str) -> None:
    path = tmp_path / "folder" / "lock"
    path.parent.mkdir()
    holder = hold(path, "in_turn")

    def end(_text: str) -> None:
        if how == "takes the folder away":
            path.unlink()
            path.parent.rmdir()
        if how == "is killed":
            holder.kill()
        holder.communicate()

    with in_turn(path, stop=StopSignal(), say=end) as has_turn:
        assert has_turn
        assert str(os.getpid()) in path.read_text()
        with pytest.raises(RunError, match=f"process {os.getpid()} on"), locked(path):
            pass
    assert not path.exists()


def test_a_holder_without_a_sign_of_life_is_told_with_the_command_that_frees_the_folder(
    tmp_path: Path, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "my views" / "lock"
    path.parent.mkdir()
    holder = hold(path, "in_turn")
    first = path.stat().st_mtime_ns
    until(lambda: path.stat().st_mtime_ns != first)
    # Its node is gone, as far as anyone can see: it holds the lock and does nothing.
    holder.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(lock, "SILENCE_S", 1.0)
    turn = in_turn(path, stop=StopSignal(), say=lambda _text: None)
    with pytest.raises(RunError, match=rf"process {holder.pid} on .* no sign of life for 1s; .*: rm '{path}'$"), turn:
        pass
    subprocess.run(["rm", str(path)], check=True)
    with in_turn(path, stop=StopSignal(), say=lambda _text: None) as has_turn:
        assert has_turn


def test_of_many_that_wait_each_has_its_turn_alone(tmp_path: Path) -> None:
    inside, most, turns = 0, 0, 0
    count = threading.Lock()

    def take() -> None:
        nonlocal inside, most, turns
        with in_turn(tmp_path / "lock", stop=StopSignal(), say=lambda _text: None) as has_turn:
            with count:
                inside, turns = inside + 1, turns + has_turn
                most = max(most, inside)
            threading.Event().wait(0.02)
            with count:
                inside -= 1

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (turns, most) == (4, 1)


@pytest.mark.parametrize("folder", ["file", "link"])
def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "lock").symlink_to("absent/lock")
    turn = in_turn(tmp_path / folder / "lock", stop=StopSignal(), say=lambda _text: None)
    with pytest.raises(RunError, match=rf"^{tmp_path}/{folder}: cannot be written: .*; choose another folder$"), turn:
        pass
