"""``python -m nsg_cluster.container CONTAINER.json PROGRAM [ARGUMENT ...]``: become a program in an image.

The host side of a job starts this in the place of a program of its own. Signals, standard streams and the exit status
are those of the program in the image, for this process is replaced by it. What the node offers (the container program,
a driver, a scratch folder) is found out here, in the job.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nsg_cluster.container.command import (
    Container,
    container_argv,
    container_environment,
    has_driver,
    mount,
)
from nsg_cluster.container.program import find_program
from nsg_cluster.core.errors import ConfigError, MachineError, NsgError, RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.process import become

USAGE = "usage: python -m nsg_cluster.container CONTAINER.json PROGRAM [ARGUMENT ...]"
SCRATCH = "NSG_SCRATCH"


def main(argv: Sequence[str] | None = None) -> int:
    """Become the program; returns only where that cannot be."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) < 2:
        print(USAGE, file=sys.stderr)  # noqa: T201 - a program
        return NsgError.exit_status
    try:
        _enter(Path(arguments[0]), arguments[1:])
    except NsgError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the last line is what people are shown
        return error.exit_status
    return 0


def _enter(path: Path, command: list[str]) -> None:
    try:
        container = _with_scratch(Container.from_json(read_json(path)))
    except (KeyError, TypeError) as error:
        raise RunError(f"{path}: is damaged or of another version: {error!r}") from None
    if not Path(container.image).exists():
        raise MachineError(f"{container.image}: the image is gone, or this node does not see it")
    program = find_program()
    gpu = container.gpu == "always" or (container.gpu == "auto" and has_driver())
    become(
        container_argv(container, program, command, folder=path.parent, gpu=gpu),
        env=container_environment(container, program, os.environ),
    )


def _with_scratch(container: Container) -> Container:
    """Return a container that also sees the folder of the job on its node."""
    folder = os.environ.get(SCRATCH)
    if not folder or not Path(folder).is_dir():
        return container
    try:
        return replace(container, binds=(*container.binds, mount(folder)))
    except ConfigError:
        return container


if __name__ == "__main__":
    sys.exit(main())
