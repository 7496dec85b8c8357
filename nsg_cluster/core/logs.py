"""One line format for both planes: ``2026-11-21 07:10:12 training.loop  message``, in UTC.

A log file gets plain text: control characters, which could hide or forge lines, are written as escapes unless the
stream is a terminal. A traceback keeps its lines.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import IO

__all__ = ["printable", "set_up"]

PACKAGE = "nsg_cluster"
# Also separators of lines, marks that turn the direction of writing, and bytes that are no UTF-8.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
CONTROL_OR_NEWLINE = re.compile(rf"{CONTROL.pattern}|\n")


def printable(text: str, *, newlines: bool = False) -> str:
    """Return a text with its control characters written as escapes; newlines are kept on request."""
    pattern = CONTROL if newlines else CONTROL_OR_NEWLINE
    return pattern.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class _LineFormatter(logging.Formatter):
    """Formats a record as one line (a traceback adds its own)."""

    converter = staticmethod(time.gmtime)

    def __init__(self, *, terminal: bool) -> None:
        super().__init__(datefmt="%Y-%m-%d %H:%M:%S")
        self._terminal = terminal

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            message = f"{record.levelname.lower()}: {message}"
        if not self._terminal:
            message = printable(message)
        name = record.name.removeprefix(f"{PACKAGE}.")
        line = f"{self.formatTime(record, self.datefmt)} {name}  {message}"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "\n" + (trace if self._terminal else printable(trace, newlines=True))
        return line


def set_up(*, stream: IO[str] | None = None, level: int = logging.INFO) -> None:
    """Send the package's log to a stream (standard error by default); a later call replaces an earlier one."""
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    handler.setFormatter(_LineFormatter(terminal=target.isatty()))
    logger = logging.getLogger(PACKAGE)
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False
