"""The batch script of this machine: a text that bash runs, with the environment it needs and one command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from nsg_cluster import __version__
from nsg_cluster.core.logs import printable
from nsg_cluster.tasks.watch import package_environment

__all__ = ["batch_script"]


def batch_script(
    command: Sequence[str], *, title: str, environment: Mapping[str, str], folder: Path | None = None
) -> str:
    """Return the text of a script.

    Args:
        command: Program and arguments.
        title: What it runs, for people.
        environment: Variables to set.
        folder: Where relative paths among the arguments start.
    """
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
    for name, value in package_environment({}).items():
        more = f'"${{PYTHONPATH:+{os.pathsep}$PYTHONPATH}}"' if name == "PYTHONPATH" else ""
        exports.append(f"export {name}={shlex.quote(value)}{more}")
    lines = [
        "#!/usr/bin/env bash",
        f"# {printable(title)}, written by nsg_cluster {__version__}.",
        "set -euo pipefail",
        *exports,
        *([f"cd -- {shlex.quote(str(folder))}"] if folder else []),
        f"exec {shlex.join(command)}",
    ]
    return "\n".join(lines) + "\n"
