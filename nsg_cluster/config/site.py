"""A site: the machine that runs go to, what it offers, and where its storage is. Never what to compute.

Chosen by, first to last: the argument (``--site``), ``NSG_SITE``, ``site:`` in the user's own
``~/.config/nsg_cluster/config.yaml``, and ``local``. Its storage is overridden by ``NSG_STORAGE``, then by ``storage:``
in the user's file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from nsg_cluster.config.parse import Problem, parse
from nsg_cluster.config.schema import NAME_PATTERN, Config
from nsg_cluster.config.variables import substituted
from nsg_cluster.core.documents import read_yaml
from nsg_cluster.core.errors import ConfigError, did_you_mean
from nsg_cluster.core.files import absolute_path
from nsg_cluster.core.logs import printable

__all__ = ["Site", "UserDefaults", "load_site"]

CHECKOUT_SITES = Path(__file__).resolve().parents[2] / "configs" / "sites"
M = TypeVar("M", bound=Config)
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Site(Config):
    """Where runs go."""

    name: Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
    """Name of the site: letters, digits, ``-``, ``_`` and single dots inside."""
    scheduler: Literal["local"] = "local"
    """What starts the tasks; ``local`` is this machine itself."""
    storage: Annotated[str, Field(min_length=1)] = "."
    """Folder for runs and data; a relative one starts at the folder in which the command runs."""
    environment: dict[VariableName, str] = Field(default_factory=dict)
    """Environment variables of every task."""


class UserDefaults(Config):
    """A user's own settings: ``~/.config/nsg_cluster/config.yaml``."""

    site: str | None = None
    """Name or file of the site to use."""
    storage: Annotated[str, Field(min_length=1)] | None = None
    """Storage to use in place of the site's."""


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
    site = _read_site(wanted)
    storage = os.environ.get("NSG_STORAGE") or defaults.storage or site.storage
    return site.model_copy(update={"storage": str(absolute_path(storage))})


def _config_home() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG specification says to ignore a relative path.
    return (Path(home) if home.startswith("/") else Path.home() / ".config") / "nsg_cluster"


def _user_defaults() -> UserDefaults:
    path = _config_home() / "config.yaml"
    return _read_model(UserDefaults, path) if path.exists() else UserDefaults()


def _read_site(wanted: str) -> Site:
    if "/" in wanted or wanted.endswith((".yaml", ".yml")):
        return _read_model(Site, absolute_path(wanted) if wanted.startswith("~") else Path(wanted))
    known = _known_sites()
    if wanted in known:
        return _read_model(Site, known[wanted])
    if wanted == "local":  # installed without the checkout
        return Site(name="local")
    names = sorted({*known, "local"})
    near = did_you_mean(wanted, names)
    raise ConfigError(f"no site '{printable(wanted)}'; known: {', '.join(names)}, or the path of a YAML file.{near}")


def _known_sites() -> dict[str, Path]:
    """Return the files of sites by name; the user's own hide those of the project."""
    folders = (CHECKOUT_SITES, _config_home() / "sites")
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def _read_model(model: type[M], path: Path) -> M:
    problems: list[Problem] = []
    document = substituted(read_yaml(path, problems=problems), {}, problems)
    return parse(model, document, problems)
