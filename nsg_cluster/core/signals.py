"""Asking a running stage to stop: signals set a flag, and the loop looks at it where it is safe to stop.

A *warning* (``SIGUSR2``) says that time is nearly up: write a checkpoint and be continued. A *cancel* (``SIGTERM``,
``SIGINT``) says that nobody wants the result: write a checkpoint and end.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Literal

__all__ = ["StopSignal"]

Request = Literal["warning", "cancel"]
REQUESTS: dict[signal.Signals, Request] = {
    signal.SIGUSR2: "warning",
    signal.SIGTERM: "cancel",
    signal.SIGINT: "cancel",
}


class StopSignal:
    """What was asked of this process; a context manager that listens to signals while it is open.

    Attributes:
        requested: ``None``, ``"warning"`` or ``"cancel"``. A cancel outranks a warning and is never taken back.
    """

    requested: Request | None

    def __init__(self) -> None:
        self.requested = None
        self._previous: dict[signal.Signals, Any] = {}

    def request(self, what: Request) -> None:
        """Ask for a stop; asking twice changes nothing."""
        if self.requested != "cancel":
            self.requested = what

    def __enter__(self) -> StopSignal:
        """Start to listen; only the main thread may."""
        self._previous = {number: signal.signal(number, self._handle) for number in REQUESTS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            # None stands for a handler that was not set from Python; it cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous = {}

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.request(REQUESTS[signal.Signals(number)])
