"""Whether the Blender that is here works: a tetrahedron is rendered, small and without a display."""

from __future__ import annotations

import tempfile
from pathlib import Path

from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.errors import NsgError
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.objects.program import find_blender
from nsg_cluster.objects.render import render_model

__all__ = ["try_blender"]

MODEL = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n"
QUICK = {"views": 1, "val_views": 1, "test_views": 1, "image_size": 16, "samples": 1, "device": "cpu", "threads": 1}


def try_blender() -> dict[str, str]:
    """Return what was found as ``found``, nothing where there is none, and what is wrong as ``error``."""
    try:
        found = str(find_blender())
    except NsgError as error:
        return {"found": "", "error": str(error)}
    try:
        with tempfile.TemporaryDirectory(prefix="nsg-check-") as folder:
            model = Path(folder, "model.obj")
            model.write_text(MODEL)
            data = ObjectsData.model_validate({"kind": "objects", "model": str(model), "out": f"{folder}/out", **QUICK})
            render_model(data, data.folder, stop=StopSignal())
    except NsgError as error:
        return {"found": found, "error": str(error)}
    return {"found": found, "error": ""}
