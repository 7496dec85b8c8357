"""What a job in Blender says while it runs, to the program that started it.

Events are JSON objects, one a line, each with the key ``event``: ``model`` once the model is in place, ``view`` after
each view, ``texture`` for one that cannot be read, ``note`` for what else was mended, ``error`` before an exit status
of 2. Everything that Blender itself prints goes to standard error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

__all__ = ["BrokenModelError", "Say", "open_events"]

Say = Callable[..., None]
"""Called with an event's name, and what belongs to it by name."""


class BrokenModelError(Exception):
    """A model that cannot be rendered; its text says why."""


def open_events() -> Say:
    """Keep standard output for events alone, and return what writes one."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    # Blender's C code prints too, so the descriptor itself is turned around.
    os.dup2(2, 1)

    def say(event: str, **values: Any) -> None:
        stream.write(json.dumps({"event": event, **values}) + "\n")
        stream.flush()

    return say
