"""What ``data check`` says about scenes that do not move, and what it draws of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsg_cluster.cli import options

if TYPE_CHECKING:
    from nsg_cluster.config.schema import Experiment
    from nsg_cluster.data.photographs.report import SplitReport, StillReport

__all__ = ["check_still"]


def check_still(experiment: Experiment, folder: Path, views: int, *, as_json: bool) -> int:
    """Read a scene, say what it has, and draw it."""
    from nsg_cluster.core.files import write_atomic
    from nsg_cluster.data.loaders import load_scene
    from nsg_cluster.data.photographs.pictures import box_in_views, plans
    from nsg_cluster.data.photographs.report import inside_of, report_on_still

    scene = load_scene(experiment.data)
    scene = replace(scene, notes=(*scene.notes, *_state_of_views(experiment)))
    report = report_on_still(experiment.model, scene)
    shown = {f"view_{name}": png for name, png in box_in_views(scene, views).items()}
    drawn = {"cameras": plans(scene, inside_of(experiment.model, scene)), **shown}
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png" for name in drawn]
    for path, png in zip(paths, drawn.values(), strict=True):
        write_atomic(path, png)
    if as_json:
        document = {"name": experiment.name, "kind": experiment.data.kind, "complete": True, **report.to_json()}
        options.print_json({**document, "pictures": [str(path) for path in paths]})
    else:
        click.echo("\n".join([*_told(report), *map(str, paths)]))
    return 0


def _state_of_views(experiment: Experiment) -> list[str]:
    """Return what there is to say of rendered views whose model or settings are others by now."""
    from nsg_cluster.config.objects import ObjectsData
    from nsg_cluster.objects.records import state_note

    note = state_note(experiment.data) if isinstance(experiment.data, ObjectsData) else None
    return [note] if note else []


def _told(report: StillReport) -> list[str]:
    least, median, most = report.camera_distance
    low, high = (f"({', '.join(f'{x:g}' for x in corner)})" for corner in report.box)
    return [
        f"{report.train.images} images of {_size(report.train)} to train on, {report.test.images} held out",
        *(f"{name:<9} {_split(split)}" for name, split in (("training", report.train), ("held out", report.test))),
        f"{'cameras':<9} {least:.3g} to {most:.3g} from the middle of the box, half within {median:.3g}; "
        f"{report.cameras_inside} inside the box",
        f"{'box':<9} {low} to {high}{_beyond(report)}",
        f"{'range':<9} {report.near:g} to {report.far:g}: {report.sight.in_range:.0%} of the way through the box",
        f"{'rays':<9} {_rays(report)}",
        *([f"{'points':<9} {_points(report)}"] if report.points else []),
        *(f"note: {note}" for note in (*report.notes, *report.remarks)),
    ]


def _size(split: SplitReport) -> str:
    return f"{split.size[0]}x{split.size[1]}"


def _split(split: SplitReport) -> str:
    short, long = (f"{value:.4g}" for value in split.focal_px)
    focal = short if short == long else f"{short} to {long}"
    exposed = "" if split.stops is None else f", exposures from {split.stops[0]:+.2g} to {split.stops[1]:+.2g} stops"
    return (
        f"{split.images} of {_size(split)} {split.channels}, {split.first} to {split.last}; "
        f"{split.lens}, focal length {focal} px{exposed}"
    )


def _beyond(report: StillReport) -> str:
    grown = f" to {report.bound:g} times its size" if report.bound > 1 else ""
    said = {
        "lost": f"; modeled{grown}, what is beyond is lost" if grown else "; what is beyond it is lost",
        "contracted": f"; space around it is contracted ({report.contraction})",
        "kept": "; what is beyond it is modeled as well",
    }
    return said[report.beyond]


def _rays(report: StillReport) -> str:
    sight = report.sight
    covered = sight.covered_rays_that_miss
    parts = [
        f"{sight.rays_that_miss:.1%} of pixels look past it",
        *([] if covered is None else [f"{covered:.1%} of those that show something"]),
        *([] if sight.samples_outside is None else [f"{sight.samples_outside:.0%} of samples are outside"]),
    ]
    return ", ".join(parts)


def _points(report: StillReport) -> str:
    return f"{report.points} known, {report.points_inside:.0%} of them inside"
