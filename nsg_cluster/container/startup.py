"""What running the image does: ``%runscript`` from ENTRYPOINT, CMD, SHELL and WORKDIR, as Docker combines them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nsg_cluster.container.quoting import quote

__all__ = ["Startup", "runscript"]

UNDEFINED = "There is no runscript defined"
"""What Apptainer writes for a base that says nothing itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """What the Dockerfile says of starting.

    Entry point and command are words, or a text for the shell in a list of its own with the shell before it.
    """

    entrypoint: tuple[str, ...] | None
    command: tuple[str, ...] | None
    workdir: str | None
    """A word of the shell."""
    base_script: str | None
    """Where the base's own runscript was put; ``None`` where the stage begins from scratch."""


def runscript(startup: Startup) -> list[str]:
    """Return the lines of ``%runscript``."""
    lines = [f"cd {startup.workdir} || exit"] if startup.workdir else []
    if startup.command:
        lines.append(f"[ $# -gt 0 ] || set -- {_words(startup.command)}")
    if startup.entrypoint:
        return [*lines, f'exec {_words(startup.entrypoint)} "$@"']
    if startup.base_script:
        # Apptainer's own scripts of Docker images would expand variables in the arguments once more.
        lines += ["export APPTAINER_NO_EVAL=1 SINGULARITY_NO_EVAL=1"]
        lines += [f'[ ! -x {startup.base_script} ] || exec {startup.base_script} "$@"']
        lines += ["[ $# -gt 0 ] || set -- /bin/sh"]
    return [*lines, 'exec "$@"']


def keep_base_script(path: str) -> str:
    """Return the line of ``%post`` that puts the base's runscript aside, if it has one."""
    source = "/.singularity.d/runscript"
    return f"grep -qs {quote(UNDEFINED)} {source} || [ ! -e {source} ] || cp -p {source} {path}"


def _words(words: Sequence[str]) -> str:
    return " ".join(quote(word) for word in words)
