"""The job that Blender is given: one model, its cameras, and what is said while it runs.

Events are JSON objects, one a line, each with the key ``event``: ``model`` once the model is in place, ``view`` after
each view, ``note`` for what was mended, ``error`` before an exit status of 2. Everything that Blender itself prints
goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["BrokenModelError", "main"]

Say = Callable[..., None]
BROKEN = 2


class BrokenModelError(Exception):
    """A model that cannot be rendered; its text says why."""


def main(path: str) -> int:
    """Render a job document; return the exit status."""
    say = _events()
    try:
        _render(json.loads(Path(path).read_text(encoding="utf-8")), say)
    except BrokenModelError as error:
        say("error", text=str(error))
        return BROKEN
    except Exception:  # noqa: BLE001 - whatever fails inside Blender is shown by the program that started it
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _events() -> Say:
    """Keep standard output for events alone, and return what writes one."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    # Blender's C code prints too, so the descriptor itself is turned around.
    os.dup2(2, 1)

    def say(event: str, **values: Any) -> None:
        stream.write(json.dumps({"event": event, **values}) + "\n")
        stream.flush()

    return say


def _render(job: dict[str, Any], say: Say) -> None:
    # Blender's modules exist only inside Blender.
    from nsg_cluster.blender.model import import_model
    from nsg_cluster.blender.scene import set_up
    from nsg_cluster.blender.views import render_views

    model = import_model(job, say)
    device = set_up(job)
    say(
        "model",
        object_to_world=model.object_to_world.tolist(),
        lower=model.lower.tolist(),
        upper=model.upper.tolist(),
        radius=model.radius,
        triangles=len(model.triangles),
        device=device,
        blender=_version(),
    )
    render_views(job, model, say)


def _version() -> str:
    import bpy

    return str(bpy.app.version_string)
