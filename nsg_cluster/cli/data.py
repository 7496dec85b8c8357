"""``data``: the commands that make and look at data sets."""

from __future__ import annotations

import click

from nsg_cluster.cli.objects import render_objects

__all__ = ["data"]


@click.group()
def data() -> None:
    r"""Make data sets.

    \b
      python launch.py data render-objects bunny.obj        a 3D model, seen from all around
      python launch.py data render-objects --help           what a command does, with examples

    Exit status: 0 done, 1 a part of it was broken, 2 a mistake, 130 interrupted.
    """


data.add_command(render_objects)
