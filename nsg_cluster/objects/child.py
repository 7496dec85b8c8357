"""Blender as a child process: started, listened to, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nsg_cluster.core.errors import DataError, MachineError
from nsg_cluster.core.logs import printable
from nsg_cluster.core.process import PIPE, Child, start
from nsg_cluster.core.signals import StopSignal

__all__ = ["events"]

# Statuses of nsg_cluster.blender.job.
BROKEN = 2
POLL_S = 0.25
LAST_LINES = 8


def events(command: list[str], scratch: Path, stop: StopSignal) -> Iterator[dict[str, Any]]:
    """Run Blender and yield what it tells; ends early, with Blender, where a stop is requested.

    Args:
        command: Its argv.
        scratch: Folder for its own temporary files and for what it prints.
        stop: Looked at several times a second.

    Raises:
        DataError: It says that the model is broken.
        MachineError: It cannot be started, or ended by a fault of its own.
    """
    printed = scratch / "printed.txt"
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1"}
    with printed.open("wb") as errors:
        # Apart from the terminal's Control-C: it is this process that decides when Blender ends.
        child = start(command, stdout=PIPE, stderr=errors, env=environment, new_session=True)
        try:
            for line in _lines(child, stop):
                event = _event(line)
                if event.get("event") == "error":
                    raise DataError(str(event.get("text")))
                if event:
                    yield event
            if stop.requested is None and (status := child.wait()):
                raise MachineError(_fault(status, printed))
        finally:
            _end(child)


def _lines(child: Child, stop: StopSignal) -> Iterator[bytes]:
    assert child.stdout is not None
    pending = b""
    while stop.requested is None:
        if not select.select([child.stdout], [], [], POLL_S)[0]:
            continue
        block = os.read(child.stdout.fileno(), 1 << 16)
        if not block:
            return
        *lines, pending = (pending + block).split(b"\n")
        yield from lines


def _event(line: bytes) -> dict[str, Any]:
    """Return an event; what else Blender may print here is no event."""
    with contextlib.suppress(ValueError):
        if isinstance(found := json.loads(line), dict):
            return found
    return {}


def _fault(status: int, printed: Path) -> str:
    """Return what is known of the end of a Blender that failed."""
    how = f"exit status {status}"
    if status < 0:
        with contextlib.suppress(ValueError):
            how = f"ended by {signal.Signals(-status).name}"
    lack = ", perhaps for lack of memory" if status == -signal.SIGKILL else ""
    lines = [line for line in printed.read_text(errors="replace").splitlines() if line.strip()]
    said = "".join(f"\n  {printable(line)}" for line in lines[-LAST_LINES:])
    return f"Blender failed ({how}{lack}); it said:{said or ' nothing'}"


def _end(child: Child) -> None:
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if child.stdout:
        child.stdout.close()
