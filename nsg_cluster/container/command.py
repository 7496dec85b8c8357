"""The command that runs a program in an image, and the environment that it is started with.

``singularity exec --cleanenv`` takes the host's environment away. What a task needs of it is handed over by variables
of the container program (``APPTAINERENV_X``, ``SINGULARITYENV_X``): no value stands in an argument, which others read.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nsg_cluster.container.program import Program
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.process import BLENDER

__all__ = ["PASSED", "Container", "container_argv", "container_environment", "has_driver", "mount"]

# Which job this is, its place among others, its devices: see clusters.md, 4.2.
PASSED = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "PBS_*",
    "SGE_*",
    "SLURM_*",
    "JOB_ID",
    "JOB_NAME",
    "TASK_ID",
    "NHOSTS",
    "NSLOTS",
    "NQUEUES",
    "RESTARTED",
    "OMPI_*",
    "PMIX_*",
    "PMI_*",
    "MASTER_*",
    "MAIN_ADDR",
    "MAIN_PORT",
    "RANK",
    "LOCAL_RANK",
    "NODE_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "NCCL_*",
    "OMP_*",
    "NSG_*",
    "PYTHONUNBUFFERED",
    "PYTHONSAFEPATH",
)
# Programs of the host, which the image does not have: handed over where they are asked for by name.
KEPT_OUT = (BLENDER,)
# A package of the user's own, ~/.local/lib/python3.11/site-packages, would otherwise hide the image's.
INSIDE = {"PYTHONNOUSERSITE": "1"}
PREFIXES = ("APPTAINERENV_", "SINGULARITYENV_")
SEPARATORS = (":", ",")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """An image and how programs run in it; kept with a run."""

    image: str
    """Absolute path of a SIF file or of a root file system."""
    digest: str = ""
    """SHA-256 of the image, where it is known."""
    python: str = "python3"
    """Python in the image."""
    binds: tuple[str, ...] = ()
    """Folders that it sees: ``/path``, ``/path:/inside`` or ``/path:/inside:ro``."""
    variables: tuple[str, ...] = ()
    """Names of variables to hand over beside `PASSED`; ``*`` stands for any characters."""
    environment: Mapping[str, str] | None = None
    """Variables to set inside."""
    gpu: str = "auto"
    """``auto``: GPUs where the machine has a driver; ``always``, ``never``."""
    options: tuple[str, ...] = ()
    """Further options of ``exec``."""
    source: str | None = None
    """Folder of Python packages that come before those of the image: bound where it is, read-only."""

    def to_json(self) -> dict[str, Any]:
        """Return this as a run keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Container:
        """Return what a run has kept."""
        lists = {name: tuple(content[name]) for name in ("binds", "variables", "options")}
        return cls(**{**{each.name: content[each.name] for each in fields(cls)}, **lists})


def container_argv(
    container: Container,
    program: Program,
    command: Sequence[str],
    *,
    folder: Path | None = None,
    gpu: bool = False,
) -> list[str]:
    """Return the arguments that run a command in an image.

    Args:
        container: The image.
        program: What runs it.
        command: Program in the image, and its arguments.
        folder: Working folder inside.
        gpu: Whether to hand over the GPUs.

    Raises:
        ConfigError: A path cannot be bound.
    """
    binds = list(container.binds)
    if container.source is not None:
        # Last: what is bound later lies over what was bound before.
        binds.append(mount(container.source, read_only=True))
    return [
        program.path,
        "--quiet",
        "exec",
        "--cleanenv",
        *(["--nv"] if gpu else []),
        *(word for bind in binds for word in ("--bind", bind)),
        *(["--pwd", str(folder)] if folder else []),
        *container.options,
        container.image,
        *command,
    ]


def mount(path: str, *, read_only: bool = False) -> str:
    """Return a path as an argument of ``--bind`` that shows it under its own name.

    Raises:
        ConfigError: It holds a character that separates such arguments.
    """
    for separator in SEPARATORS:
        if separator in path:
            raise ConfigError(
                f"{path}: a container cannot see a path with '{separator}' in it; rename it or link to it"
            )
    return f"{path}:{path}:ro" if read_only else path


def container_environment(container: Container, program: Program, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which the container program is started.

    Args:
        container: The image, and which variables are handed over.
        program: What runs it.
        environment: What the command would have without a container.
    """
    # Secrets come under all these names: see `nsg_cluster.tasks.secrets`.
    handed = {name for name, value in environment.items() if value in {environment.get(p + name) for p in PREFIXES}}
    names = [name for name in environment if name in handed or _is_passed(name, container.variables)]
    again = {prefix + name for prefix in PREFIXES for name in handed}
    outside = {name: value for name, value in environment.items() if name not in again}
    inside = {name: environment[name] for name in names} | INSIDE | dict(container.environment or {})
    # The host's search path names folders that the image does not have, or has with other content.
    inside.pop("PYTHONPATH", None)
    if container.source is not None:
        inside["PYTHONPATH"] = container.source
    return {**outside, **{program.passed(name): _escaped(value) for name, value in inside.items()}}


def _escaped(value: str) -> str:
    """Return what a container program turns into a value: it reads variables between the double quotes of a shell."""
    for character in ("\\", "$", "`"):
        value = value.replace(character, f"\\{character}")
    return value


def _is_passed(name: str, more: Sequence[str]) -> bool:
    patterns = more if name in KEPT_OUT else (*PASSED, *more)
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def has_driver() -> bool:
    """Return whether this machine has an NVIDIA driver, whose libraries ``--nv`` brings into a container."""
    return Path("/dev/nvidiactl").exists() or Path("/proc/driver/nvidia/version").exists()
