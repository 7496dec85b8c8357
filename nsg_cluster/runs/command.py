"""The program that computes a task, from what a site and an experiment say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nsg_cluster.tasks.orders import HERE

if TYPE_CHECKING:
    from nsg_cluster.config.schema import Experiment
    from nsg_cluster.config.site import Site

__all__ = ["stage_command"]


def stage_command(site: Site, experiment: Experiment) -> tuple[str, ...]:  # noqa: ARG001 - a container depends on both
    """Return the words before a task's folder and options; ``$NAME`` in them stands for a variable of the job.

    The host side of a job starts them: a container goes before them, and its Python in the place of this one.
    """
    return HERE
