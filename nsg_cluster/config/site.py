"""A site: the machine that runs go to, what it offers, and where its storage is. Never what to compute.

Chosen by, first to last: the argument (``--site``), ``NSG_SITE``, ``site:`` in the user's own
``~/.config/nsg_cluster/config.yaml``, and ``local``. Its storage is overridden by ``NSG_STORAGE``, then by ``storage:``
in the user's file; its group by ``NSG_GROUP``, then by ``group:`` there. ``${group}`` and ``${user}`` in its file
are that group and this user.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from nsg_cluster.config.container import ContainerConfig
from nsg_cluster.config.parse import Problem, parse
from nsg_cluster.config.schema import NAME_PATTERN, WORD, Config, Duration, Memory, Word
from nsg_cluster.config.variables import substituted
from nsg_cluster.core.documents import read_yaml
from nsg_cluster.core.errors import ConfigError, did_you_mean
from nsg_cluster.core.files import absolute_path
from nsg_cluster.core.logs import printable
from nsg_cluster.core.user import user_name

__all__ = [
    "HOST_PATTERN",
    "Limits",
    "Rates",
    "Remote",
    "ResourceType",
    "Site",
    "UserDefaults",
    "load_site",
    "shipped_sites",
]

# Stands for the group in the folders of a site where none is named.
NO_GROUP = "GROUP"
CHECKOUT_SITES = Path(__file__).resolve().parents[2] / "configs" / "sites"
M = TypeVar("M", bound=Config)
PositiveInt = Annotated[int, Field(ge=1)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
# A host that begins with a dash would be an option of ssh.
HOST_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$"
# One line of a script.
Line = Annotated[str, Field(pattern=r"^[^\n\r]*\S[^\n\r]*$")]


class ResourceType(Config):
    """A piece of a node that a site offers under a name, such as ``rt_HG``."""

    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """GPUs of a piece."""
    cpus: PositiveInt
    """CPU cores of a piece."""
    memory: Memory
    """Memory of a piece."""
    architecture: Annotated[str, Field(pattern=r"^\d+\.\d$")] | None = None
    """Compute capability of its GPUs, such as ``9.0``: what an image must be built for."""
    rate: Annotated[float, Field(ge=0)] | None = None
    """What a piece costs in an hour, in the unit of ``rates``."""
    max_pieces: PositiveInt = 1
    """Pieces that a task may take; several are whole nodes."""
    walltime: Duration | None = None
    """Longest time limit, instead of the site's."""
    node_hours: Annotated[float, Field(gt=0)] | None = None
    """Largest product of pieces and hours of a job, instead of the site's."""


class Limits(Config):
    """What a site accepts."""

    walltime: Duration | None = None
    """Longest time limit of a job."""
    default_walltime: Duration | None = None
    """Time limit of a job that names none."""
    array_elements: PositiveInt | None = None
    """Most elements of an array job."""
    running_jobs: PositiveInt | None = None
    """Most jobs and elements of a user that run at the same time."""
    unfinished_jobs: PositiveInt | None = None
    """Most jobs of a user that wait or run."""
    node_hours: Annotated[float, Field(gt=0)] | None = None
    """Largest product of nodes and hours of a job."""


class Rates(Config):
    """Where the rates of the resource types come from."""

    unit: Annotated[str, Field(min_length=1)] = "points"
    """What is paid in."""
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    """Day for which they are known, such as ``2024-11-01``; shown with each cost."""
    source: str = ""
    """Where they stand."""


class Remote(Config):
    """The site as seen from a machine that does not see its storage."""

    host: Annotated[str, Field(pattern=HOST_PATTERN)]
    """Where the storage can be reached, as ssh calls it: ``host`` or ``user@host``."""
    storage: Annotated[str, Field(min_length=1)] | None = None
    """The storage there, instead of the site's."""
    options: tuple[Line, ...] = ()
    """Options of ssh, such as ``-p 2222``; what stands in ``~/.ssh/config`` needs none."""


class Site(Config):
    """Where runs go."""

    name: Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
    """Name of the site: letters, digits, ``-``, ``_`` and single dots inside."""
    scheduler: Literal["local", "slurm", "gridengine", "pbs"] = "local"
    """What starts the tasks; ``local`` is this machine itself."""
    storage: Annotated[str, Field(min_length=1)] = "."
    """Folder for runs and data; a relative one starts at the folder in which the command runs."""
    environment: dict[VariableName, str] = Field(default_factory=dict)
    """Environment variables of every task; on a cluster ``$NAME`` in them stands for a variable of the job."""
    group: Word | None = None
    """Group, project or account that pays, unless ``NSG_GROUP`` or the user's own settings name one."""
    group_required: bool = False
    """Whether the site takes no job without a group."""
    group_flag: Literal["-g", "-P"] = "-P"
    """Grid Engine: option that names the group; ``-g`` where the site wraps ``qsub``."""
    queue: Word | None = None
    """Queue or partition."""
    resource_types: dict[Word, ResourceType] = Field(default_factory=dict)
    """Pieces of nodes by name; without any, GPUs, cores and memory are asked for one by one."""
    parallel_environment: Word | None = None
    """Grid Engine without resource types: parallel environment whose slots are the cores of one node."""
    gpu_resource: Word | None = None
    """Grid Engine without resource types: consumable that counts GPUs."""
    memory_resource: Word | None = None
    """Grid Engine without resource types: consumable that counts memory."""
    limits: Limits = Limits()
    rates: Rates | None = None
    """Needed where a resource type has a rate."""
    options: tuple[Line, ...] = ()
    """Further options of every job, as they stand in a script: ``-p -400``, ``--qos=high``."""
    modules: tuple[Word, ...] = ()
    """Modules to load before a task."""
    modules_init: Annotated[str, Field(min_length=1)] = "/etc/profile.d/modules.sh"
    """File that defines the command ``module``."""
    scratch: str | None = None
    """Folder of a job on its node, such as ``$PBS_LOCALDIR``."""
    secrets: Annotated[str, Field(min_length=1)] | None = None
    """File of ``NAME=value`` lines that only you may read (mode 0600): variables of the program that computes, read
    inside the job."""
    binds: tuple[Line, ...] = ()
    """Folders that a container sees besides storage: ``/path``, or ``/path:/inside``, or ``/path:/inside:ro``."""
    container: ContainerConfig = ContainerConfig()
    """What experiments that say nothing else run in, and how images are built here."""
    remote: Remote | None = None
    """How `fetch` reaches the storage from where it is not mounted."""

    @model_validator(mode="after")
    def _rates_have_a_date(self) -> Site:
        if self.rates is None and any(kind.rate is not None for kind in self.resource_types.values()):
            raise ValueError(
                "rates: write for which day the rates of the resource types are known, such as date: '2024-11-01'"
            )
        return self


class UserDefaults(Config):
    """A user's own settings: ``~/.config/nsg_cluster/config.yaml``."""

    site: str | None = None
    """Name or file of the site to use."""
    storage: Annotated[str, Field(min_length=1)] | None = None
    """Storage to use in place of the site's."""
    group: Word | None = None
    """Group that pays for jobs; ``NSG_GROUP`` comes before it."""
    secrets: Annotated[str, Field(min_length=1)] | None = None
    """File of secrets to use in place of the site's."""


def load_site(name_or_path: str | None = None) -> Site:
    """Return the site to use, its storage absolute.

    Args:
        name_or_path: Name of a site or path of its YAML file; by default what the environment and the user's own
            settings say.

    Raises:
        ConfigError: There is no such site, or a file has mistakes (all of them, one a line).
    """
    defaults = _user_defaults()
    wanted = name_or_path or os.environ.get("NSG_SITE") or defaults.site or "local"
    chosen = os.environ.get("NSG_GROUP") or defaults.group
    if chosen and not re.match(WORD, chosen):
        raise ConfigError(f"NSG_GROUP: {printable(chosen)!r} is not the name of a group")
    site = _read_site(wanted, chosen)
    group = chosen or site.group
    if site.group and not chosen:
        site = _read_site(wanted, site.group)
    if site.group_required and not group:
        where = f"set NSG_GROUP, or write 'group: NAME' into {_config_home() / 'config.yaml'}"
        raise ConfigError(f"site {site.name} takes no job without a group: {where}")
    own = os.environ.get("NSG_STORAGE") or defaults.storage
    if not own and not group and NO_GROUP in Path(site.storage).parts:
        raise ConfigError(
            f"site {site.name}: its storage {site.storage} is named after a group: set NSG_GROUP, "
            f"or NSG_STORAGE to a folder of yours"
        )
    storage = own or site.storage
    # What the user has instead of the site's storage is a folder of this machine.
    remote = site.remote and site.remote.model_copy(update={"storage": site.remote.storage or site.storage})
    secrets = defaults.secrets or site.secrets
    update = {"storage": str(absolute_path(storage)), "secrets": secrets and str(absolute_path(secrets))}
    return site.model_copy(update={**update, "group": group, "remote": remote})


def _config_home() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG specification says to ignore a relative path.
    return (Path(home) if home.startswith("/") else Path.home() / ".config") / "nsg_cluster"


def _user_defaults() -> UserDefaults:
    path = _config_home() / "config.yaml"
    return _read_model(UserDefaults, path) if path.exists() else UserDefaults()


def _read_site(wanted: str, group: str | None) -> Site:
    # A file may name folders after the group before it is known that one is needed.
    variables = {"group": group or NO_GROUP, "user": user_name()}
    if "/" in wanted or wanted.endswith((".yaml", ".yml")):
        return _read_model(Site, absolute_path(wanted) if wanted.startswith("~") else Path(wanted), variables)
    known = _known_sites()
    if wanted in known:
        site = _read_model(Site, known[wanted], variables)
        if site.name != wanted:  # runs remember it, and would not find it again
            raise ConfigError(f"{known[wanted]}: name: '{site.name}' must be '{wanted}', as the file is called")
        return site
    if wanted == "local":  # installed without the checkout
        return Site(name="local")
    names = sorted({*known, "local"})
    near = did_you_mean(wanted, names)
    raise ConfigError(f"no site '{printable(wanted)}'; known: {', '.join(names)}, or the path of a YAML file.{near}")


def shipped_sites() -> dict[str, Site]:
    """Return the sites that the project brings, as their files have them, with ``GROUP`` for the name of a group.

    Raises:
        ConfigError: A file has mistakes.
    """
    variables = {"group": NO_GROUP, "user": "USER"}
    return {path.stem: _read_model(Site, path, variables) for path in sorted(CHECKOUT_SITES.glob("*.yaml"))}


def _known_sites() -> dict[str, Path]:
    """Return the files of sites by name; the user's own hide those of the project."""
    folders = (CHECKOUT_SITES, _config_home() / "sites")
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def _read_model(model: type[M], path: Path, variables: Mapping[str, str] | None = None) -> M:
    problems: list[Problem] = []
    document = substituted(read_yaml(path, problems=problems), variables or {}, problems)
    return parse(model, document, problems)
