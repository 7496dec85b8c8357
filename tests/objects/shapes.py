"""Models as files: a box whose sides have colors of their own, and settings that render it quickly."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.objects.program import Blender, find_blender
from nsg_cluster.objects.render import Rendered, render_model

# Half the sides of the box in the axes of the file: x to the right, y up, z to the front.
HALF = (1.0, 0.5, 0.75)
COLORS = {
    "right": (1.0, 0.0, 0.0),
    "left": (0.0, 1.0, 1.0),
    "top": (0.0, 1.0, 0.0),
    "bottom": (1.0, 0.0, 1.0),
    "front": (0.0, 0.0, 1.0),
    "back": (1.0, 1.0, 0.0),
}
# Corners are numbered x + 2 y + 4 z + 1, counterclockwise seen from outside.
SIDES = {
    "right": (2, 4, 8, 6),
    "left": (1, 5, 7, 3),
    "top": (3, 7, 8, 4),
    "bottom": (1, 2, 6, 5),
    "front": (5, 6, 8, 7),
    "back": (1, 3, 4, 2),
}


def box_obj(*, unit: float = 1.0, flipped: bool = False, library: str | None = "box.mtl") -> str:
    """Return the box as an .obj."""
    lines = [f"mtllib {library}"] if library else []
    for corner in range(8):
        signs = (1 if corner >> axis & 1 else -1 for axis in range(3))
        lines.append("v " + " ".join(f"{sign * half * unit:.9g}" for sign, half in zip(signs, HALF, strict=True)))
    for side, corners in SIDES.items():
        lines += [f"usemtl {side}"] if library else []
        lines.append("f " + " ".join(map(str, reversed(corners) if flipped else corners)))
    return "\n".join(lines) + "\n"


def box_mtl() -> str:
    """Return its materials."""
    return "".join(f"newmtl {side}\nKd {r} {g} {b}\nKs 0 0 0\n" for side, (r, g, b) in COLORS.items())


def write_box(folder: Path, name: str = "box.obj", **options: Any) -> Path:
    """Write the box with its materials and return the .obj."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(box_obj(**options))
    (folder / "box.mtl").write_text(box_mtl())
    return folder / name


def write_gltf(file: Path, document: dict[str, Any]) -> Path:
    """Write a glTF document, as JSON or into the JSON chunk of a .glb, and return the file."""
    text = json.dumps(document).encode()
    if file.suffix.lower() == ".glb":
        text += b" " * (-len(text) % 4)
        text = b"glTF" + struct.pack("<IIII", 2, 20 + len(text), len(text), 0x4E4F534A) + text
    file.write_bytes(text)
    return file


def settings(model: Path, out: Path, **changes: Any) -> ObjectsData:
    """Return settings for few and small views."""
    quick = {"views": 2, "val_views": 1, "test_views": 4, "image_size": 32, "samples": 8, "threads": 1, "device": "cpu"}
    return ObjectsData.model_validate({"kind": "objects", "model": str(model), "out": str(out), **quick, **changes})


def render(data: ObjectsData, **options: Any) -> Rendered:
    """Render to the end."""
    result = render_model(data, data.folder, stop=StopSignal(), **options)
    assert result is not None
    return result


def blender_or_skip() -> Blender:
    """Return the Blender of this machine; skip where there is none."""
    try:
        return find_blender()
    except MachineError as error:
        pytest.skip(str(error).partition(". ")[0] + ": 'make render' installs it")
