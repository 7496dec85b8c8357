"""``data``: the commands that make and look at data sets."""

from __future__ import annotations

import click

from nsg_cluster.cli.drives import check, synthesize
from nsg_cluster.cli.graphs import import_nsg, stand_in
from nsg_cluster.cli.imports import import_config
from nsg_cluster.cli.objects import render_objects

__all__ = ["data"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def data() -> None:
    r"""Check data sets, make them, import those of other programs.

    \b
      python launch.py data check my.yaml                  # what is there, what is missing, and pictures of it
      python launch.py data synthesize street              # a street with moving cars, and its ground truth
      python launch.py data render-objects bunny.obj       # a 3D model, seen from all around
      python launch.py data import-nsg SOURCE DESTINATION  # official weights of Neural Scene Graphs, as a run
      python launch.py data stand-in RUN DESTINATION       # the views of a run on KITTI, in KITTI's layout
      python launch.py data import-config FILE.txt         # an experiment from one of their configuration files
      python launch.py data check --help                   # what a command does, with examples

    Exit status: 0 done, 1 a part is missing or broken, 2 a mistake that you can correct, 130 interrupted.
    """


for _command in (check, synthesize, render_objects, import_nsg, stand_in, import_config):
    data.add_command(_command)
