"""Arguments and options that several verbs share, and how results are printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from nsg_cluster.core.paths import RunPaths, StoragePaths
    from nsg_cluster.runs.finding import Finding

__all__ = [
    "as_json",
    "home_site",
    "overrides",
    "print_findings",
    "print_json",
    "run",
    "runs",
    "site",
    "storage_of",
    "task",
    "tasks",
    "word_for",
]

F = TypeVar("F", bound=Callable[..., Any])

run = click.argument("run", metavar="RUN")
runs = click.argument("runs", metavar="RUN...", nargs=-1, required=True)
overrides = click.argument("overrides", metavar="[KEY=VALUE]...", nargs=-1)
site = click.option("--site", metavar="NAME", help="Site to run on: a name, or a YAML file. Default: yours, or local.")
home_site = click.option(
    "--site", metavar="NAME", help="Site whose storage is meant: a name, or a YAML file. Default: yours, or local."
)
task = click.option("--task", metavar="N", type=click.IntRange(min=0), help="Only this task of a sweep.")
tasks = click.option(
    "--task", "tasks", metavar="N", type=click.IntRange(min=0), multiple=True, help="Only this task; may be repeated."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


def print_json(document: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def print_findings(findings: Sequence[Finding]) -> None:
    """Print the outcome of checks, a line each, and below it what to do."""
    width = max(len(item.name) for item in findings)
    for item in findings:
        click.echo(f"{item.mark:<8} {item.name:<{width}}  {item.found}")
        if item.advice:
            click.echo(f"{'':<8} {'':<{width}}  → {item.advice}")


def storage_of(site_name: str | None = None) -> StoragePaths:
    """Return the storage of a site.

    Raises:
        ConfigError: There is no such site, or a file has mistakes.
    """
    import os

    from nsg_cluster.core.files import absolute_path
    from nsg_cluster.core.paths import StoragePaths

    # The variable overrides every file, so that no file and no model of one need be read.
    named = os.environ.get("NSG_STORAGE")
    if named and not site_name:
        return StoragePaths(absolute_path(named))
    from nsg_cluster.config.site import load_site

    return StoragePaths(Path(load_site(site_name).storage))


def word_for(run: RunPaths) -> str:
    """Return what a command without ``--site`` finds a run by: its id, or its folder outside of the default storage."""
    import shlex
    from contextlib import suppress

    from nsg_cluster.core.errors import ConfigError
    from nsg_cluster.runs.find import run_id

    with suppress(ConfigError):  # the default site may want what the one that was named does not
        if run.root.parent.parent == storage_of().runs:
            return run_id(run)
    return shlex.quote(str(run.root))
