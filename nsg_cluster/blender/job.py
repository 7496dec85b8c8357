"""The job that Blender is given: one model and its cameras."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from nsg_cluster.blender.events import BrokenModelError, Say, open_events

__all__ = ["main"]

BROKEN = 2


def main(path: str) -> int:
    """Render a job document; return the exit status."""
    say = open_events()
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
