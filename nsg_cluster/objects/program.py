"""Which Blender there is: a Python that has ``bpy``, or a ``blender`` program.

``bpy`` is Blender as a library. A release of it works with one version of Python and with older NumPy than training
wants, so it has an environment of its own, beside the one that this program runs in (``/opt/nsg-render`` beside
``/opt/nsg`` in our image) or in the checkout: ``.venv-render``. It runs as a program of its own in any case: it prints,
keeps signals to itself, and may end by a fault.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import nsg_cluster
import nsg_cluster.blender
from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.logs import printable

__all__ = ["VARIABLE", "Blender", "find_blender"]

VARIABLE = "NSG_BLENDER"
# Where `make render` puts it, whichever environment this program runs in.
MADE = Path(nsg_cluster.__file__).resolve().parents[1] / ".venv-render"
SCRIPT = Path(nsg_cluster.blender.__file__).with_name("__main__.py")


@dataclass(frozen=True, slots=True)
class Blender:
    """A way to run a script inside Blender."""

    program: Path
    is_python: bool
    """Whether it is a Python with ``bpy`` instead of a ``blender`` program."""

    def command(self, job: Path) -> list[str]:
        """Return the argv that renders a job document."""
        if self.is_python:
            # Isolated: packages of this environment must not get in the way of its own.
            return [str(self.program), "-I", str(SCRIPT), str(job)]
        options = ["--background", "--factory-startup", "--python-exit-code", "1"]
        return [str(self.program), *options, "--python", str(SCRIPT), "--", str(job)]

    def __str__(self) -> str:
        """Say where it is."""
        return f"bpy of {self.program}" if self.is_python else str(self.program)


def find_blender() -> Blender:
    """Return the first of: what ``NSG_BLENDER`` names, ``bpy`` here, ``bpy`` of a neighbor, ``blender`` on PATH.

    Raises:
        MachineError: There is none; the text says how to get each.
    """
    if named := os.environ.get(VARIABLE):
        return _named(named)
    if importlib.util.find_spec("bpy") is not None:
        return Blender(Path(sys.executable), is_python=True)
    for neighbor in (Path(f"{sys.prefix}-render"), MADE):
        if any(neighbor.glob("lib/python3*/site-packages/bpy")):
            return Blender(neighbor / "bin" / "python", is_python=True)
    if program := shutil.which("blender"):
        return Blender(Path(program), is_python=False)
    raise MachineError(
        f"there is no Blender to render with. Either install it as a library, 'make render' (into {MADE}; it needs "
        f"Python 3.11 or 3.13 and 1 GB of disk), or put a 'blender' program of version 4.2 or newer on PATH, or set "
        f"{VARIABLE} to a blender program or to a Python that has bpy"
    )


def _named(text: str) -> Blender:
    program = shutil.which(Path(text).expanduser())
    if program is None:
        raise MachineError(f"{VARIABLE} is '{printable(text)}': there is no such program")
    return Blender(Path(program).absolute(), is_python=Path(program).name.startswith("python"))
