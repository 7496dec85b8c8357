"""``data synthesize`` and ``data check``: make a street with moving cars, look at what a data set has and lacks."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsg_cluster.cli import options
from nsg_cluster.cli.photographs import check_still
from nsg_cluster.cli.submit import check_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nsg_cluster.config.driving import StreetData
    from nsg_cluster.config.schema import Experiment
    from nsg_cluster.data.drives.report import DriveReport, Missing

__all__ = ["check", "synthesize"]

INCOMPLETE = 1


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.argument("settings", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--layout", type=click.Choice(["kitti", "vkitti2"]), default="kitti", help="Format of the files.")
@click.option("--sequence", default="0000", metavar="NNNN", help="kitti: number of the sequence, four digits.")
@click.option("--scene", default="01", metavar="NN", help="vkitti2: number of the scene, two digits.")
@click.option("--variant", default="clone", metavar="NAME", help="vkitti2: name of the variant.")
@options.as_json
def synthesize(
    *, folder: Path, settings: tuple[str, ...], layout: str, sequence: str, scene: str, variant: str, as_json: bool
) -> int:
    r"""Make a procedural street with moving cars, with its ground truth.

    \b
      python launch.py data synthesize street                          # 24 frames, KITTI tracking's files
      python launch.py data synthesize street --layout vkitti2 cars=6  # Virtual KITTI 2's files
      python launch.py data synthesize still ego_motion=false width=624 height=188
      python launch.py data synthesize edited 'remove=[1]' 'move={2: [0, 0, -3.6]}' 'insert={3: [12, 0, 0]}'

    Settings are those of an experiment's section data of kind street: width, height, frames, cars, ego_motion,
    car_motion, supersample, seed, and the edits remove, move and insert, by track; offsets are in meters, x forward, y
    down, z to the left. Images, depth, masks, boxes and poses are exact.

    Exit status: 0 done, 2 a mistake in the settings, or there is such a drive already.
    """
    from nsg_cluster.config.street import parse_street
    from nsg_cluster.core.documents import dump_yaml
    from nsg_cluster.core.logs import set_up

    set_up(level=logging.WARNING if as_json else logging.INFO)
    config = parse_street(settings)
    if layout == "kitti":
        written, section = _write_kitti(config, folder, sequence)
    else:
        written, section = _write_vkitti(config, folder, scene, variant)
    if as_json:
        options.print_json({"folder": str(written), "layout": layout, "images": 2 * config.frames, "data": section})
    else:
        click.echo(f"{2 * config.frames} images and their ground truth in {written}; to use them:\n")
        click.echo(dump_yaml({"data": section}), nl=False)
    return 0


def _write_kitti(config: StreetData, folder: Path, sequence: str) -> tuple[Path, dict[str, Any]]:
    """Write a sequence and return where it is and the section of an experiment that reads it."""
    from nsg_cluster.config.driving import KittiData
    from nsg_cluster.data.drives.kitti import KittiFiles
    from nsg_cluster.data.procedural.street_layouts import write_street_as_kitti

    root = folder.absolute()
    # KITTI's vans count among the cars by default.
    classes = {"Car": "car", "Van": "van", "Truck": "truck"}
    section = {"kind": "kitti", "root": str(root), "sequence": sequence, "far": config.far, "classes": classes}
    _refuse_number(KittiData, section)
    files = KittiFiles(folder=root / "training", sequence=sequence)
    for path in (files.images(0), files.images(1), files.calibration, files.oxts, files.labels):
        _refuse_existing(path, "--sequence")
    with _whole_or_nothing(files.folder) as draft:
        write_street_as_kitti(config, replace(files, folder=draft))
    return files.folder, section


def _write_vkitti(config: StreetData, folder: Path, scene: str, variant: str) -> tuple[Path, dict[str, Any]]:
    """Write a scene and return where it is and the section of an experiment that reads it."""
    from nsg_cluster.config.driving import VKitti2Data
    from nsg_cluster.data.drives.vkitti import VKittiFiles
    from nsg_cluster.data.procedural.street_layouts import write_street_as_vkitti

    root = folder.absolute()
    section = {"kind": "vkitti2", "root": str(root), "scene": scene, "variant": variant, "far": config.far}
    _refuse_number(VKitti2Data, section)
    files = VKittiFiles(folder=root / f"Scene{scene}" / variant)
    _refuse_existing(files.folder, "--scene or --variant")
    with _whole_or_nothing(files.folder) as draft:
        write_street_as_vkitti(config, replace(files, folder=draft))
    return files.folder, section


@contextlib.contextmanager
def _whole_or_nothing(folder: Path) -> Iterator[Path]:
    """Give a folder to write into, whose files are moved to a folder when all are there; after an error none stays."""
    draft = folder.with_name(f".unfinished-{folder.name}-{os.getpid()}")
    made = [parent for parent in folder.parents if not parent.exists()]
    try:
        yield draft
        for file in sorted(path for path in draft.rglob("*") if path.is_file()):
            target = folder / file.relative_to(draft)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):  # where something is in it
                parent.rmdir()


def _refuse_number(model: Any, section: dict[str, Any]) -> None:
    """Check the section that would read what is written.

    Raises:
        ConfigError: The number of a sequence or scene, or a variant, is no such thing.
    """
    from nsg_cluster.config.parse import parse
    from nsg_cluster.core.documents import Place, YamlDocument

    parse(model, YamlDocument(section, {(): Place("option")}))


def _refuse_existing(folder: Path, option: str) -> None:
    from nsg_cluster.core.errors import DataError

    if folder.exists():
        raise DataError(f"{folder}: exists already; choose another folder or {option}, or remove it")


@click.command()
@click.argument("file", metavar="FILE.yaml")
@options.overrides
@options.home_site
@click.option("--out", metavar="FOLDER", type=click.Path(path_type=Path), help="Where pictures go.")
@click.option("--views", metavar="N", type=click.IntRange(min=0), default=3, help="Views to draw into: 3.")
@options.as_json
def check(
    *, file: str, overrides: tuple[str, ...], site: str | None, out: Path | None, views: int, as_json: bool
) -> int:
    r"""Say what an experiment's data set has, what is missing and where to get it, and draw it.

    \b
      python launch.py data check configs/kitti_0006.yaml
      python launch.py data check configs/kitti_0001.yaml data.frames=10-20 data.min_motion=0 --views 5
      python launch.py data check configs/street.yaml --json
      python launch.py data check configs/fox.yaml data.root=fox data.bound=2

    Of a drive it draws the boxes of objects into images (their fronts are crossed) and the cameras and tracks from
    above; images that are missing are no hindrance. Of photographs it says what each split has, what was skipped, and
    how much of what cameras see misses the scene box, and draws cameras and box along two axes, and the box and
    known points into images. Pictures go into <storage>/checks/<name of the experiment> by default.

    Exit status: 0 all is there, 1 something is missing, 2 a mistake in the file, or data that are broken.
    """
    from nsg_cluster.config.compose import load
    from nsg_cluster.config.driving import KittiData, StreetData, VKitti2Data
    from nsg_cluster.core.logs import set_up

    set_up(level=logging.WARNING if as_json else logging.INFO)
    check_file(Path(file))
    storage = options.storage_of(site).root
    experiment = load(file, overrides, variables={"storage": str(storage)})
    folder = (out or storage / "checks" / experiment.name).absolute()
    if not isinstance(experiment.data, (KittiData, VKitti2Data, StreetData)):
        return check_still(experiment, folder, views, as_json=as_json)
    return _check_drive(experiment, folder, views, as_json=as_json)


def _check_drive(experiment: Experiment, folder: Path, views: int, *, as_json: bool) -> int:
    from nsg_cluster.data.drives.report import missing_texts, read_drive, report_on

    data: Any = experiment.data
    texts = missing_texts(data)
    if texts:
        return _say_missing(experiment, texts, as_json=as_json)
    drive = read_drive(data)
    report = report_on(data, drive)
    pictures = _draw(data, drive, folder, views)
    if as_json:
        document = {"name": experiment.name, "kind": data.kind, "complete": not report.missing, **report.to_json()}
        options.print_json({**document, "pictures": [str(path) for path in pictures]})
    else:
        click.echo(_told(report))
        click.echo("\n".join(str(path) for path in pictures))
    return INCOMPLETE if report.missing else 0


def _draw(data: Any, drive: Any, folder: Path, views: int) -> list[Path]:
    from nsg_cluster.core.files import write_atomic
    from nsg_cluster.data.drives.pictures import above, boxes_in_views

    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"above": above(drive), **(boxes_in_views(data, drive, views) if views else {})}
    for name, png in drawn.items():
        write_atomic(folder / f"{name}.png", png)
    return [folder / f"{name}.png" for name in drawn]


def _told(report: DriveReport) -> str:
    """Return a report in lines."""
    lines = [
        f"{report.images} images of {report.size[0]}x{report.size[1]} in {report.frames} frames: "
        f"{report.train_moments} to train on, {report.test_moments} held out; the cameras drive {report.way_m:.1f} m",
        *_table(report),
        *(f"note: {remark}" for remark in report.remarks),
        *(f"missing: {missing.sentence()}" for missing in report.missing),
    ]
    return "\n".join(lines)


def _table(report: DriveReport) -> list[str]:
    if not report.tracks:
        return ["no objects"]
    head = f"{'track':>5}  {'class':<10}  {'length x height x width':<23}  {'frames':<14}  moves"
    return [
        head,
        *(
            f"{track.id:>5}  {track.class_name:<10}  {' x '.join(f'{side:.2f}' for side in track.size) + ' m':<23}  "
            f"{f'{track.first_frame}-{track.last_frame} ({track.frames})':<14}  {track.way_m:.1f} m"
            for track in report.tracks
        ),
    ]


def _say_missing(experiment: Experiment, missing: Sequence[Missing], *, as_json: bool) -> int:
    from dataclasses import asdict

    if as_json:
        found = [asdict(item) for item in missing]
        options.print_json({"name": experiment.name, "kind": experiment.data.kind, "complete": False, "missing": found})
    else:
        click.echo("\n".join(f"missing: {item.sentence()}" for item in missing))
    return INCOMPLETE
