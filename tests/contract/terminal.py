"""Programs started as from a terminal, whoever runs the tests."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from typing import Any

__all__ = ["started_at_a_terminal"]


def started_at_a_terminal(argv: Sequence[object], **options: Any) -> subprocess.Popen[str]:
    """Start a program as the leader of a group, which Control-C and the end of the terminal end.

    Under nohup, or in the background of a script, tests are run with these signals ignored, and what they start would
    inherit that.
    """
    return subprocess.Popen(list(map(str, argv)), text=True, start_new_session=True, preexec_fn=_usual, **options)  # noqa: PLW1509


def _usual() -> None:
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
