"""``data``: the commands that make and look at data sets."""

from __future__ import annotations

import click

from nsg_cluster.cli.graphs import import_nsg, stand_in
from nsg_cluster.cli.objects import render_objects

__all__ = ["data"]


@click.group()
def data() -> None:
    r"""Make data sets, and take over what others have made.

    \b
      python launch.py data render-objects bunny.obj        a 3D model, seen from all around
      python launch.py data import-nsg SOURCE DESTINATION   official weights of Neural Scene Graphs, as a run
      python launch.py data stand-in RUN DESTINATION        the views of a run on KITTI, in KITTI's layout
      python launch.py data render-objects --help           what a command does, with examples

    Exit status: 0 done, 1 a part of it was broken, 2 a mistake, 130 interrupted.
    """


for _command in (render_objects, import_nsg, stand_in):
    data.add_command(_command)
