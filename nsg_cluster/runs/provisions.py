"""What a run's tasks find at their site beside a place to run: scratch and secrets; checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from nsg_cluster.config.schema import Experiment
from nsg_cluster.config.site import Site
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.executor.placement import dialect_of
from nsg_cluster.scheduler.script import in_environment, misspelled
from nsg_cluster.tasks.secrets import SECRETS, read_secrets
from nsg_cluster.tasks.staging import SCRATCH, Wish

__all__ = ["check_provisions", "environment_here", "missing_data"]


def check_provisions(site: Site, elements: Sequence[Experiment]) -> None:
    """Refuse what a task would not find at its site.

    Raises:
        ConfigError: A task wants scratch where the site has none or names no variable that is set there, or the file of
            secrets cannot be used.
    """
    if site.secrets:
        read_secrets(Path(site.secrets))
    wishes = [wish for wish in map(Wish.of, elements) if wish]
    if wishes and site.scratch is None:
        raise ConfigError(
            f"resources.scratch: site {site.name} has no scratch: write 'scratch: /a/folder' into its file, or a "
            f"variable such as $TMPDIR"
        )
    if any(wish.data and wish.root is None for wish in wishes):
        raise ConfigError("resources.scratch.data: these data are made, not read, so there is nothing to copy")
    if site.scheduler == "local":
        environment_here(site)
    else:
        _check_variables(site)


def _check_variables(site: Site) -> None:
    """Refuse the misspelled name of a variable that the scheduler sets: in the job it would not be set.

    Raises:
        ConfigError: There is one.
    """
    texts = {"scratch": site.scratch or "", **{f"environment.{key}": text for key, text in site.environment.items()}}
    for key, text in texts.items():
        if found := misspelled(text, dialect_of(site), known=list(site.environment)):
            raise ConfigError(
                f"site {site.name}: {key}: no job has a variable ${found[0]}. Did you mean '${found[1]}'?"
            )


def environment_here(site: Site) -> dict[str, str]:
    """Return the variables of tasks that this machine starts: the site's, and those that name scratch and secrets.

    Of a site with a scheduler this is one of its nodes, in a job.

    Raises:
        ConfigError: A variable that one of them refers to is not set here.
    """
    named = {SECRETS: site.secrets} if site.secrets else {}
    if site.scratch is not None:
        named[SCRATCH] = _value(site, site.scratch, os.environ, "scratch")
    if site.scheduler == "local":
        return {**site.environment, **named}
    found = dict(named)
    for name, text in site.environment.items():
        found[name] = _value(site, text, {**os.environ, **found}, f"environment.{name}")
    return found


def _value(site: Site, text: str, environment: Mapping[str, str], what: str) -> str:
    """Return a text of a site with variables in their places.

    Raises:
        ConfigError: One is not set here.
    """
    try:
        return in_environment(text, environment, f"site {site.name}: {what}")
    except ConfigError as error:
        if site.scheduler == "local":
            raise
        raise ConfigError(
            f"{error} The jobs of {site.name} have such variables: work in one, or set it to a folder for this command"
        ) from None


def missing_data(elements: Sequence[Experiment]) -> str | None:
    """Return which folder of data this machine lacks, as a sentence; ``None`` where all are there, or may be."""
    roots = dict.fromkeys(root for element in elements if isinstance(root := getattr(element.data, "root", None), str))
    missing = [root for root in roots if _is_missing(Path(root))]
    if not missing:
        return None
    others = f" (and {len(missing) - 1} more folders are missing)" if len(missing) > 1 else ""
    return (
        f"data.root: there is no folder '{missing[0]}'{others}: set it to that of the data set; "
        f"'python launch.py data check FILE.yaml' says what belongs into it"
    )


def _is_missing(folder: Path) -> bool:
    try:
        return not folder.is_dir()
    except OSError:  # who may not look cannot know
        return False
