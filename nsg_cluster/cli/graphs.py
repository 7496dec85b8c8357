"""Commands for Neural Scene Graphs: ``data import-nsg`` and ``data stand-in``."""

from __future__ import annotations

from pathlib import Path

import click

from nsg_cluster.cli import options

__all__ = ["import_nsg", "stand_in"]


@click.command("import-nsg")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--root", metavar="FOLDER", help="Folder of KITTI tracking; by default the one that args.txt names.")
@click.option("--step", type=int, help="Step of the weights; the newest by default.")
@options.as_json
def import_nsg(*, source: Path, destination: Path, root: str | None, step: int | None, as_json: bool) -> int:
    r"""Make a run from official weights of Neural Scene Graphs.

    \b
      python launch.py data import-nsg example_weights/kitti_tracking_0006_example nsg_0006 --root kitti
      python launch.py render ./nsg_0006 render.frames=101 render.cameras=right render.out=frame_101

    SOURCE is a folder of the original program: model_<step>.npy, model_class_*, latent_vector_*, args.txt. Nothing that
    is in these files is run: a file that holds more than numbers is refused. DESTINATION becomes the run's folder.

    Exit status: 0 done, 2 a file is missing, broken or refused, or the folder exists.
    """
    from nsg_cluster.runs.adopt import adopt_nsg

    run = adopt_nsg(source, destination, root=root, step=step)
    if as_json:
        options.print_json({"folder": str(run.root)})
    else:
        click.echo(f"run in {run.root}; see it with: python launch.py render {run.root} render.frames=...")
    return 0


@click.command("stand-in")
@click.argument("run")
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--size", type=click.IntRange(8, 8192), default=1242, show_default=True, help="Width of the images.")
@click.option("--frames", metavar="RANGES", help="Frames such as '65-80'; all of the run by default.")
@click.option("--cameras", type=click.Choice(["left", "right", "both"]), default="both", show_default=True)
@options.home_site
@options.as_json
def stand_in(
    *, run: str, destination: Path, size: int, frames: str | None, cameras: str, site: str | None, as_json: bool
) -> int:
    r"""Render the views of a run on KITTI into KITTI's layout.

    \b
      python launch.py data stand-in ./nsg_0006 standin --size 310

    For sequences whose images are not at hand: text files are copied, the calibration is scaled, and RENDERED.txt says
    what the images are. Train on it with data.root=DESTINATION.

    Exit status: 0 done, 2 the run is not on KITTI, or has no checkpoint.
    """
    import logging

    from nsg_cluster.core.logs import set_up
    from nsg_cluster.runs.find import find_run
    from nsg_cluster.tasks.adopt import make_stand_in
    from nsg_cluster.tasks.stages import read_spec

    set_up(level=logging.WARNING if as_json else logging.INFO)
    paths = find_run(run, options.storage_of(site)).task(0)
    written = make_stand_in(read_spec(paths), paths, destination, size=size, frames=frames, cameras=cameras)
    if as_json:
        options.print_json({"folder": str(destination), "files": [str(path) for path in written]})
    else:
        click.echo(f"{len(written)} images in {destination}; train on them with data.root={destination}")
    return 0
