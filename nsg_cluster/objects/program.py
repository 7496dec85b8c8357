"""Which Blender there is: a Python that has ``bpy``, or a ``blender`` program.

``bpy`` is Blender as a library. A release of it works with one version of Python and with older NumPy than training
wants, so it has an environment of its own, beside the one that this program runs in (``/opt/nsg-render`` beside
``/opt/nsg`` in our image) or in the checkout: ``.venv-render``. It runs as a program of its own in any case: it prints,
keeps signals to itself, and may end by a fault.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nsg_cluster
import nsg_cluster.blender
from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.logs import printable
from nsg_cluster.core.paths import CHECKOUT
from nsg_cluster.core.process import BLENDER, run
from nsg_cluster.core.user import image_here

__all__ = ["OLDEST", "Blender", "find_blender", "made_here"]

OLDEST = (4, 2)
PACKAGES = Path(nsg_cluster.__file__).resolve().parents[1]
SCRIPT = Path(nsg_cluster.blender.__file__).with_name("__main__.py")
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Blender:
    """A way to run a script inside Blender."""

    program: Path
    is_python: bool
    """Whether it is a Python with ``bpy`` instead of a ``blender`` program."""
    version: str = ""
    """Such as 4.2.1; empty where it does not say."""

    def command(self, job: Path) -> list[str]:
        """Return the argv that renders a job document."""
        if self.is_python:
            # Isolated: packages of this environment must not get in the way of its own.
            return [str(self.program), "-I", str(SCRIPT), str(job)]
        options = ["--background", "--factory-startup", "--python-exit-code", "1"]
        return [str(self.program), *options, "--python", str(SCRIPT), "--", str(job)]

    @property
    def is_too_old(self) -> bool:
        """Whether its importers are not those that our script calls."""
        numbers = re.findall(r"\d+", self.version)[:2]
        return bool(numbers) and tuple(map(int, numbers)) < OLDEST

    def __str__(self) -> str:
        """Say where it is."""
        kind = "bpy" if self.is_python else "Blender"
        return " ".join(filter(None, (kind, self.version, "of" if self.is_python else "at", str(self.program))))


def made_here() -> Path:
    """Return where ``make render`` puts Blender: in the checkout, also for a task that runs a copy of the package."""
    try:
        checkout = Path(os.fsdecode((PACKAGES / CHECKOUT).read_bytes()))
    except OSError:
        checkout = PACKAGES
    return checkout / ".venv-render"


def find_blender(named: str | None = None) -> Blender:
    """Return the first of: what ``NSG_BLENDER`` names, ``bpy`` here, ``bpy`` of a neighbor, ``blender`` on PATH.

    Args:
        named: Value of ``NSG_BLENDER``; by default that of this process.

    Raises:
        MachineError: There is none, or it is too old; the text says how to get each.
    """
    if named := named or os.environ.get(BLENDER):
        found = _named(named)
        if found.is_too_old:
            raise MachineError(f"{BLENDER} is '{printable(named)}', Blender {found.version}: {_needed()}")
        return found
    old = None
    for found in _there():
        if not found.is_too_old:
            return found
        old = found
    raise MachineError(f"{old} is too old: {_needed()}; {_advice()}" if old else _advice())


def _there() -> Iterator[Blender]:
    if importlib.util.find_spec("bpy") is not None:
        yield Blender(Path(sys.executable), is_python=True, version=_version_here())
    # An image that shows the checkout has another system than the one which that Blender was made for.
    for neighbor in (Path(f"{sys.prefix}-render"), *([] if image_here() else [made_here()])):
        program = neighbor / "bin" / "python"
        if any(neighbor.glob("lib/python3*/site-packages/bpy")) and os.access(program, os.X_OK):
            yield Blender(program, is_python=True, version=_version_of_python(program))
    if on_path := shutil.which("blender"):
        yield Blender(Path(on_path), is_python=False, version=_version_of_program(on_path))


def _needed() -> str:
    return f"{OLDEST[0]}.{OLDEST[1]} or newer is needed"


def _advice() -> str:
    if image := image_here():
        return (
            f"there is no Blender in the image {printable(image)}: let 'container.image' name one that is built from "
            f"docker/Dockerfile.render, or from a Dockerfile that puts 'blender' on PATH"
        )
    return (
        f"there is no Blender to render with. Either install it as a library, 'make render' (into {made_here()}; it "
        f"needs Python 3.11 or 3.13 and 1 GB of disk), or put a 'blender' program of version {OLDEST[0]}.{OLDEST[1]} "
        f"or newer on PATH, or set {BLENDER} to a blender program or to a Python that has bpy"
    )


def _named(text: str) -> Blender:
    program = shutil.which(Path(text).expanduser())
    if program is None:
        raise MachineError(f"{BLENDER} is '{printable(text)}': there is no such program")
    path = Path(program).absolute()
    if path.name.startswith("python"):
        return Blender(path, is_python=True, version=_version_of_python(path))
    return Blender(path, is_python=False, version=_version_of_program(str(path)))


def _version_here() -> str:
    try:
        return importlib.metadata.version("bpy")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _version_of_python(program: Path) -> str:
    """Return the version of the package that lies beside a Python, without starting it."""
    found = sorted(program.parents[1].glob("lib/python3*/site-packages/bpy-*.dist-info"))
    return found[-1].name.removeprefix("bpy-").removesuffix(".dist-info") if found else ""


@functools.lru_cache
def _version_of_program(program: str) -> str:
    try:
        answer = run([program, "--version"], timeout_s=TIMEOUT_S)
    except MachineError:
        return ""
    found = re.search(r"^Blender (\d[\w.]*)", answer.out, re.MULTILINE)
    return found[1] if found else ""
