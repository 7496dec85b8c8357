"""Which container program this machine has: Apptainer or one of the Singularities, told apart by ``--version``.

``apptainer version 1.4.5``, ``singularity-ce version 4.1.5-1.el9``, ``SingularityPRO version 4.1.7-1.el9`` and
``singularity version 3.8.7`` take the same arguments. They read their settings from variables with different names.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import Literal

from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.process import run

__all__ = ["Program", "find_program", "parse_version"]

Flavor = Literal["apptainer", "singularity-ce", "singularitypro", "singularity"]
NAMES = ("apptainer", "singularity")
VERSION = re.compile(r"^(apptainer|singularity-ce|singularitypro|singularity) version (\d+(?:\.\d+)*)", re.IGNORECASE)
FIRST_WITH_OCI = (4, 1)
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A container program."""

    path: str
    flavor: Flavor
    version: tuple[int, ...]

    @property
    def prefix(self) -> str:
        """What the names of its variables begin with."""
        return "APPTAINER" if self.flavor == "apptainer" else "SINGULARITY"

    def setting(self, name: str) -> str:
        """Return the variable that holds one of its settings, such as ``TMPDIR``."""
        return f"{self.prefix}_{name}"

    def passed(self, name: str) -> str:
        """Return the variable whose value a program in the container finds as ``name``, whatever else is cleaned."""
        return f"{self.prefix}ENV_{name}"

    @property
    def builds_dockerfiles(self) -> bool:
        """Whether it can build a Dockerfile by itself, into an OCI-SIF."""
        return self.flavor in {"singularity-ce", "singularitypro"} and self.version >= FIRST_WITH_OCI

    def __str__(self) -> str:
        """Return what people call it."""
        return f"{self.flavor} {'.'.join(map(str, self.version))}"


def parse_version(path: str, text: str) -> Program | None:
    """Return the program that answers with a text; ``None`` where it is none of those known."""
    match = VERSION.match(text.strip())
    if not match:
        return None
    flavor: Flavor = match[1].lower()  # type: ignore[assignment] # the pattern allows these alone
    return Program(path=path, flavor=flavor, version=tuple(int(part) for part in match[2].split(".")))


def find_program() -> Program:
    """Return this machine's container program.

    Raises:
        MachineError: There is none on ``PATH``, or it does not say what it is.
    """
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        raise MachineError(
            "no program 'apptainer' or 'singularity' on PATH: load the site's module for it ('module load apptainer'), "
            "name that module under 'modules:' in the site's file, or install Apptainer"
        )
    answer = run([path, "--version"], timeout_s=TIMEOUT_S)
    program = parse_version(path, answer.out) if answer.status == 0 else None
    if program is None:
        said = (answer.out.strip() or answer.err.strip() or "nothing").splitlines()[0]
        raise MachineError(f"{path} --version: says '{said}', which is neither Apptainer nor SingularityCE nor PRO")
    return program
