"""The ``container:`` section of an experiment or a site: the image that tasks run in, and how it is built."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from nsg_cluster.config.base import Config
from nsg_cluster.core.files import absolute_path

__all__ = ["NO_IMAGE", "ContainerConfig", "combined"]

NO_IMAGE = "none"
Line = Annotated[str, Field(pattern=r"^[^\n\r]*\S[^\n\r]*$")]
# Made absolute when read, so that a task finds it wherever it runs.
ImagePath = Annotated[
    str, Field(min_length=1), AfterValidator(lambda text: text if text == NO_IMAGE else str(absolute_path(text)))
]
Path = Annotated[str, Field(min_length=1), AfterValidator(lambda text: str(absolute_path(text)))]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
VariablePattern = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\*?$")]
# As container programs take them; what separates their parts cannot stand in a path.
Bind = Annotated[str, Field(pattern=r"^[^:,\n\r]+(:[^:,\n\r]+(:(ro|rw))?)?$")]


class ContainerConfig(Config):
    """The image that tasks run in. What an experiment says comes before what its site says."""

    image: ImagePath | None = None
    """A Dockerfile whose image ``image build`` has made, a ``.sif`` file or a root file system; ``none`` for none."""
    binds: tuple[Bind, ...] = ()
    """Folders that it sees besides storage and data: ``/path``, ``/path:/inside`` or ``/path:/inside:ro``."""
    environment: tuple[VariablePattern, ...] = ()
    """Variables of the job to hand over besides the usual ones; ``WANDB_*`` stands for all that begin so."""
    gpu: Literal["auto", "always", "never"] = "auto"
    """Whether the container sees the GPUs (``--nv``); ``auto``: where the machine has NVIDIA's driver."""
    python: Annotated[str, Field(min_length=1)] = "python3"
    """Python in the image."""
    options: tuple[Line, ...] = ()
    """Further options of ``singularity exec``, one word each: ``--no-home``."""
    builder: Literal["definition", "docker-archive", "oci", "file"] | None = None
    """How ``image build`` builds: ``definition`` converts the Dockerfile, ``docker-archive`` takes what ``docker save``
    wrote, ``oci`` lets SingularityCE build a Dockerfile, ``file`` takes a definition; told by the name by default."""
    build_args: dict[VariableName, str] = Field(default_factory=dict)
    """Values of the Dockerfile's ``ARG``."""
    bases: dict[str, Path] = Field(default_factory=dict)
    """Images or root file systems on disk to take for a ``FROM``: ``{"debian:bookworm-slim": /groups/me/base.sif}``."""
    wheels: Path | None = None
    """Folder of wheels from which alone pip installs while building: for sites without internet."""
    build_options: tuple[Line, ...] = ()
    """Further options of ``singularity build``, one word each: ``--mksquashfs-args=-comp zstd``."""
    build_binds: tuple[Bind, ...] = ()
    """Files and folders that are seen while building only, such as ``/etc/pip.conf`` and certificates."""


def combined(site: ContainerConfig, experiment: ContainerConfig) -> ContainerConfig:
    """Return a site's section with an experiment's laid over it; lists are joined, mappings merged."""
    values = site.model_dump()
    for name in experiment.model_fields_set:
        mine = getattr(experiment, name)
        if isinstance(mine, tuple):
            values[name] = (*values[name], *(item for item in mine if item not in values[name]))
        elif isinstance(mine, dict):
            values[name] = {**values[name], **mine}
        elif mine is not None:
            values[name] = mine
    return ContainerConfig(**values)
