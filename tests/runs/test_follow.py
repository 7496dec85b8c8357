"""What is seen of a run while it runs: `nsg_cluster.runs.follow`, `nsg_cluster.runs.logs`."""

from __future__ import annotations

import os
import pty
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from nsg_cluster.core.files import write_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.runs import follow as following
from nsg_cluster.runs.follow import Lines, follow, measures
from nsg_cluster.runs.logs import follow_logs, last_lines, read_logs
from nsg_cluster.runs.status import read_run
from nsg_cluster.tasks.status import TaskStatus, write_status
from tests.contract.runs import Bench, bench
from tests.runs.test_status import make_run

__all__ = ["bench"]
CHECKOUT = Path(__file__).resolve().parents[2]
PROGRESS = {
    "stage": "train",
    "step": 120,
    "steps": 2000,
    "steps_per_s": 31.25,
    "rays_per_s": 123_456.0,
    "samples_per_ray": 21.5,
    "loss": 0.0123,
    "psnr": 24.5,
    "eta_s": 3725.0,
    "memory_bytes": 3 << 30,
}


def test_measures_are_told_with_their_units_and_left_out_where_unknown() -> None:
    told = "PSNR 24.50 dB  1h2m5s left  31.2 steps/s  loss 0.01230  123.5k rays/s  21.5 samples/ray  3.0 GiB"
    assert measures(PROGRESS) == told
    assert measures({"stage": "train", "loss": None, "psnr": 20}) == "PSNR 20.00 dB"


def running(run: RunPaths, index: int = 0, **changes: object) -> None:
    """Make a task run, in this process."""
    from nsg_cluster.core.process import process_start_time

    pid = os.getpid()
    status = TaskStatus(
        state="running", attempt=1, pid=pid, pid_start=process_start_time(pid), host=os.uname().nodename
    )
    write_status(run.task(index), status)
    write_json(run.task(index).progress, {**PROGRESS, **changes})


def test_lines_are_written_for_news_and_now_and_then_for_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    run, log = make_run(tmp_path, "succeeded", "succeeded"), tmp_path / "log"
    running(run)
    with log.open("w") as stream:
        lines = Lines(stream)
        for clock[0] in (0.0, 1.0, 9.9, 10.5, 11.0, 19.0):
            lines.update(read_run(run))
        write_status(run.task(0), TaskStatus(state="failed", attempt=1, reason="oh\x1b[2J\nno"))
        lines.update(read_run(run))
    said = [re.sub(r"^[\d-]+ [\d:]+ ", "", line) for line in log.read_text().splitlines()]
    assert said == [
        "lego.seed-0 (1/2 ended)  running",
        "lego.seed-1 (1/2 ended)  succeeded",
        f"lego.seed-0 (1/2 ended)  train 120/2000  {measures(PROGRESS)}",
        "lego.seed-0 (2/2 ended)  failed: oh\\x1b[2J\\nno",
    ]


def test_following_ends_with_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, "succeeded")
    assert follow(run, following.Silence()).state == "succeeded"
    running(run)
    assert follow(run, following.Silence(), is_over=lambda: True).state == "running"


def test_a_terminal_shows_bars_with_every_measure(bench: Bench) -> None:
    argv = [sys.executable, str(CHECKOUT / "launch.py"), str(bench.write(steps=40)), "sweep={grid: {seed: [1, 2]}}"]
    leader, follower = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    process = Popen(argv, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm-256color"})
    os.close(follower)
    shown = b""
    while True:
        try:
            block = os.read(leader, 4096)
        except OSError:  # the other end was closed
            break
        if not block:
            break
        shown += block
    os.close(leader)
    assert process.wait(timeout=60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"tiny\S* +━+.* train \d+/40 +PSNR 20.00 dB +20.0 steps/s", text)
    assert re.search(r"tiny +━*.* 1/2 tasks +1 (queued|running) +1 succeeded", text)
    assert "report " in text and "folder " in text


def test_logs_are_followed_as_they_grow_and_read_to_their_end(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"one\n")
    heard: list[bytes] = []
    steps: Iterator[Callable[[], object]] = iter(
        [lambda: second.write_bytes(b"two\n"), lambda: first.write_bytes(b"one\nthree\xff\n")]
    )

    def is_over() -> bool:
        step = next(steps, None)
        if step:
            step()
        return step is None

    follow_logs([("task 0", first), ("task 1", second)], heard.append, is_over=is_over)
    assert b"".join(heard) == b"==> task 0 <==\none\n==> task 1 <==\ntwo\n==> task 0 <==\nthree\xff\n"
    heard.clear()
    read_logs([("task 0", first)], heard.append)
    assert b"".join(heard) == b"one\nthree\xff\n"


def test_the_last_lines_of_a_log_are_found_without_reading_it_all(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log, 3) == []
    log.write_bytes(b"x" * 200_000 + b"\n\na\nb\n\nc\n")
    assert last_lines(log, 2) == ["b", "c"]
