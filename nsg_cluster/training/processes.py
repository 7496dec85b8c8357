"""Start the processes of a team, and let none of them outlive another."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from torch import distributed as dist

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import NsgError, TrainingError
from nsg_cluster.core.logs import set_up
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.training.device import prepare_device
from nsg_cluster.training.team import ALONE, Team

__all__ = ["team_of"]

Work = Callable[[Experiment, TaskPaths, Team], object]
GRACE_S = 10.0
PATIENCE_S = 7200.0
"""How long a process waits for the others: while the leader writes, they do. A dead one is noticed at once."""
LOOPBACK = "lo"
"""The network interface over which the processes of one node find each other on a CPU."""


@contextmanager
def team_of(experiment: Experiment, paths: TaskPaths, *, work: Work) -> Iterator[Team]:
    """Start ``train.processes`` - 1 processes that do the same work as this one, which leads.

    Args:
        experiment: What is trained.
        paths: Of the task.
        work: A function of a module; what the others run.

    Raises:
        MachineError: There are fewer GPUs than processes.
        TrainingError: One of the processes has ended.
    """
    size = experiment.train.processes
    if size == 1:
        yield ALONE
        return
    device = prepare_device(experiment.train, size=size)
    with tempfile.TemporaryDirectory(prefix="nsg-team-") as folder:
        meeting = Path(folder) / "meeting"
        others = [_start(experiment, paths, work, rank=rank, meeting=meeting) for rank in range(1, size)]
        guard = _Guard(others)
        try:
            _meet(device.type, rank=0, size=size, meeting=meeting)
            yield Team(0, size, device)
        except RuntimeError as error:  # what torch.distributed says when another process is gone
            if (reason := guard.reason()) is not None:
                raise TrainingError(reason) from error
            raise
        finally:
            guard.end()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Other:
    """One of the processes that do not lead."""

    rank: int
    process: SpawnProcess
    words: Connection
    """What it says when it fails."""


class _Guard:
    """Ends this process when another one has ended before its time: to wait for it would be to wait for ever."""

    def __init__(self, others: Sequence[_Other]) -> None:
        self._others, self._is_over = others, threading.Event()
        threading.Thread(target=self._watch, name="team", daemon=True).start()

    def reason(self) -> str | None:
        """Return why training cannot go on, if a process has failed or does so within a moment."""
        deadline = time.monotonic() + GRACE_S
        while not (failed := self._failed()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return _end_of(failed[0]) if failed else None

    def end(self) -> None:
        """Give the others a moment to end, and no more."""
        self._is_over.set()
        with suppress(RuntimeError, ValueError):
            dist.destroy_process_group()
        for other in self._others:
            other.process.join(GRACE_S)
            other.process.kill()
            other.process.join()

    def _watch(self) -> None:
        while not self._failed():
            if self._is_over.wait(1.0):
                return
        # Where all have failed alike, or the connection has broken, the main thread knows and says why.
        if not self._is_over.wait(3 * GRACE_S):
            print(f"error: {self.reason()}", file=sys.stderr, flush=True)  # noqa: T201 - the main thread may be stuck
            os._exit(1)

    def _failed(self) -> list[_Other]:
        return [other for other in self._others if other.process.exitcode]


def _end_of(other: _Other) -> str:
    code = other.process.exitcode or 0
    how = f"by {signal.Signals(-code).name}, perhaps for lack of memory" if code < 0 else f"with exit status {code}"
    words = f"it was ended {how}"
    with suppress(EOFError, OSError):
        words = other.words.recv()
    return f"process {other.rank} of train.processes is gone: {words}; the last good checkpoint is kept"


def _start(experiment: Experiment, paths: TaskPaths, work: Work, *, rank: int, meeting: Path) -> _Other:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_serve,
        args=(experiment.model_dump_json(), paths, work),
        kwargs={"rank": rank, "meeting": meeting, "words": theirs},
        name=f"process {rank}",
        daemon=True,
    )
    process.start()
    theirs.close()
    return _Other(rank=rank, process=process, words=ours)


def _serve(document: str, paths: TaskPaths, work: Work, *, rank: int, meeting: Path, words: Connection) -> None:
    """Do the work of a process that does not lead: no signal reaches it but through the one that does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_leader, name="leader", daemon=True).start()
    set_up(level=logging.WARNING)
    experiment = Experiment.model_validate_json(document)
    size = experiment.train.processes
    try:
        device = prepare_device(experiment.train, rank=rank, size=size)
        _meet(device.type, rank=rank, size=size, meeting=meeting)
        work(experiment, paths, Team(rank, size, device))
    except NsgError as error:
        words.send(str(error))
        sys.exit(error.exit_status)
    except Exception:  # noqa: BLE001 - a fault of ours, or the leader has failed, which then says so
        words.send(traceback.format_exc())
        sys.exit(1)
    dist.destroy_process_group()


def _end_with_the_leader() -> None:
    leader = multiprocessing.parent_process()
    assert leader is not None
    leader.join()
    os._exit(1)


def _meet(device: str, *, rank: int, size: int, meeting: Path) -> None:
    """Join the group of all processes, which find each other by a file."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(
        backend, init_method=f"file://{meeting}", rank=rank, world_size=size, timeout=timedelta(seconds=PATIENCE_S)
    )
