"""``data render-objects``: 3D models to data sets."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nsg_cluster.cli import options
from nsg_cluster.cli.submit import check_file, follow_option, wait_option

if TYPE_CHECKING:
    from nsg_cluster.config.model_files import ModelFile
    from nsg_cluster.config.objects import ObjectsData
    from nsg_cluster.objects.batch import Outcome
    from nsg_cluster.runs.submit import Plan

__all__ = ["render_objects"]

INTERRUPTED = 130
F = TypeVar("F", bound=Callable[..., Any])
# Flags of the command, and the keys of `data.kind: objects` that they set.
KEYS = {
    "views": "views",
    "val_views": "val_views",
    "test_views": "test_views",
    "size": "image_size",
    "samples": "samples",
    "surface": "cameras.surface",
    "radius": "cameras.radius",
    "focal": "cameras.focal",
    "elevation": "cameras.elevation_deg",
    "seed": "cameras.seed",
    "lights": "lights",
    "normalize": "normalize",
    "up": "up",
    "depth": "depth",
    "normals": "normals",
    "device": "device",
    "threads": "threads",
    "max_faces": "max_faces",
}


def _settings(function: F) -> F:
    """Add the flags that say how models are rendered; those not given have the defaults of ``data.kind: objects``."""
    whole = click.IntRange(min=1)
    flags = [
        click.option("--views", type=whole, metavar="N", help="Training views. Default: 50."),
        click.option("--val-views", type=whole, metavar="N", help="Validation views. Default: 10."),
        click.option("--test-views", type=whole, metavar="N", help="Views of the turntable, in order. Default: 40."),
        click.option("--size", type=whole, metavar="PIXELS", help="Width and height of a view. Default: 128."),
        click.option("--samples", type=whole, metavar="N", help="Light paths per pixel. Default: 32."),
        click.option("--surface", type=click.Choice(["sphere", "half_sphere"]), help="Where cameras stand."),
        click.option("--radius", type=float, metavar="R", help="Distance of the cameras; the model has radius 1."),
        click.option("--focal", type=float, metavar="F", help="Focal length in widths of the image. Default: 1.3889."),
        click.option("--elevation", type=float, metavar="DEGREES", help="Height of the turntable. Default: 30."),
        click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of the camera positions."),
        click.option("--lights", type=click.Choice(["studio", "sun", "ambient"]), help="Default: studio."),
        click.option("--normalize", type=click.Choice(["sphere", "none"]), help="none keeps the units of the file."),
        click.option("--up", type=click.Choice(["auto", "y", "z"]), help="Axis of the file that points upwards."),
        click.option("--depth/--no-depth", default=None, help="Write exact depth as .npy (default)."),
        click.option("--normals/--no-normals", default=None, help="Write normals as PNG. Default: not."),
        click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]), help="Default: a GPU if there is one."),
        click.option("--threads", type=whole, metavar="N", help="CPU threads. Default: OMP_NUM_THREADS, or all."),
        click.option("--max-faces", type=whole, metavar="N", help="Refuse larger models. Default: 5000000."),
    ]
    for flag in reversed(flags):
        function = flag(function)
    return function


@click.command("render-objects")
@click.argument("what", metavar="MODEL|FOLDER|LIST.txt|FILE.yaml", type=click.Path(path_type=Path))
@options.overrides
@click.option("--out", metavar="DIR", help="Folder of the data set; of many models, a folder for each inside.")
@_settings
@click.option("--again", is_flag=True, help="Replace views that stand there already.")
@click.option("--submit", "as_job", is_flag=True, help="Hand it to the site as a job; many models become an array.")
@options.site
@click.option("--max-parallel", metavar="N", type=click.IntRange(min=1), help="Models of an array at the same time.")
@follow_option
@wait_option
@options.as_json
def render_objects(
    *,
    what: Path,
    overrides: tuple[str, ...],
    out: str | None,
    again: bool,
    as_job: bool,
    site: str | None,
    max_parallel: int | None,
    follow: bool,
    wait: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    r"""Render 3D models (.obj, .glb, .gltf, .ply, .stl) with Blender into data sets to train on.

    \b
      python launch.py data render-objects bunny.obj --views 50 --size 128  # into objects/bunny
      python launch.py data render-objects models/ --out views              # each model of a folder
      python launch.py data render-objects 02691156/ --out planes --submit --site abci3 resources.walltime=2h
      python launch.py data render-objects configs/shapenet_obj.yaml        # what an experiment trains on

    Each data set is in the Blender format of NeRF: train, val, and test as a turntable in order; RGBA pictures,
    transforms_*.json, depth. What is there is not rendered again: repeat the command after an interruption. A model
    that is broken is reported, and the next one rendered. A file that lists models names one a line. With --submit each
    model is a task of a run, also on this machine (--max-parallel 2); KEY=VALUE says what the tasks get, and
    container.image in which image they run.

    Blender is found as NSG_BLENDER, as the package bpy ('make render' installs it) or as 'blender' on PATH.

    Exit status: 0 all rendered, 1 some models of many were broken, 2 a mistake or a broken model, 130 interrupted.
    """
    chosen = {KEYS[name]: value for name, value in flags.items() if value is not None}
    if what.suffix in {".yaml", ".yml"}:
        if chosen or out or as_job:
            raise click.UsageError(
                "a FILE.yaml is changed by settings such as data.views=24, and submitted by 'submit'"
            )
        return _render_experiments(what, overrides, site=site, again=again, as_json=as_json)
    if overrides and not as_job:
        raise click.UsageError(
            f"'{overrides[0]}': one MODEL, FOLDER or LIST.txt is rendered; settings go with FILE.yaml, or with --submit"
        )
    if again and as_job:
        raise click.UsageError("--again replaces views on this machine; for --submit name another folder with --out")
    from nsg_cluster.config.model_files import find_models

    models = find_models(what.absolute())
    target = _target(out, many=len(models) > 1)
    if as_job:
        plan = _plan(what, target, chosen, overrides, site=site, max_parallel=max_parallel)
        return _submit(plan, target, follow=follow, wait=wait, as_json=as_json)
    if site or max_parallel or wait or not follow:
        raise click.UsageError(
            "--site, --max-parallel, --detach and --wait go with --submit; without it this command renders"
        )
    return _render(models, _objects_data(chosen, target), again=again, as_json=as_json)


def _target(out: str | None, *, many: bool) -> str:
    """Return ``data.out``: a folder for each model where there are many."""
    if out is None:
        return "objects/{model}"
    return f"{out}/{{model}}" if many and "{model}" not in out else out


def _objects_data(chosen: dict[str, Any], out: str) -> ObjectsData:
    """Return the section ``data`` that flags make.

    Raises:
        ConfigError: A value is out of range.
    """
    from pydantic import ValidationError

    from nsg_cluster.config.objects import ObjectsData
    from nsg_cluster.core.errors import ConfigError

    try:
        return ObjectsData.model_validate(_nested(chosen) | {"kind": "objects", "out": out})
    except ValidationError as error:
        flags = {key: f"--{name.replace('_', '-')}" for name, key in KEYS.items()}
        told = [(".".join(map(str, item["loc"])), item["msg"]) for item in error.errors()]
        raise ConfigError(
            "\n".join(f"{flags.get(where, where)}: {text}".lstrip(": ") for where, text in told)
        ) from None


def _nested(chosen: dict[str, Any]) -> dict[str, Any]:
    section: dict[str, Any] = {}
    for key, value in chosen.items():
        first, _, last = key.partition(".")
        if last:
            section.setdefault(first, {})[last] = value
        else:
            section[first] = value
    return section


def _render_experiments(file: Path, overrides: tuple[str, ...], *, site: str | None, again: bool, as_json: bool) -> int:
    """Render what an experiment, or each of a sweep, trains on."""
    from nsg_cluster.config.model_files import ModelFile
    from nsg_cluster.config.objects import ObjectsData, model_name
    from nsg_cluster.core.errors import ConfigError
    from nsg_cluster.runs.submit import make_plan

    check_file(file)
    found = [element.data for element in make_plan(file, overrides, site=site).elements]
    sections = [section for section in found if isinstance(section, ObjectsData)]
    if not sections:
        raise ConfigError(f"{file}: data.kind is '{found[0].kind}'; only 'objects' is rendered")
    status = 0
    for settings in {section.folder: section for section in sections}.values():
        model = ModelFile(Path(settings.model), settings.name or model_name(Path(settings.model)))
        status = max(status, _render([model], settings, again=again, as_json=as_json))
    return status


def _plan(
    what: Path,
    out: str,
    chosen: dict[str, Any],
    overrides: tuple[str, ...],
    *,
    site: str | None,
    max_parallel: int | None,
) -> Plan:
    """Return a run whose tasks render one model each."""
    import tempfile

    from nsg_cluster.config.objects import safe_word
    from nsg_cluster.core.documents import dump_yaml
    from nsg_cluster.core.files import absolute_path
    from nsg_cluster.runs.submit import make_plan

    section = _objects_data(chosen, out).model_dump(mode="json", exclude={"model", "name"})
    experiment = {
        "name": f"objects-{safe_word(what.stem)[:20]}",
        "description": "Views of 3D models",
        "stages": ["prepare"],
        "data": section,
        "model": {"kind": "instant_ngp"},
        "sweep": {"models": str(absolute_path(what))},
    }
    with tempfile.TemporaryDirectory(prefix="nsg-objects-") as folder:
        file = Path(folder, "objects.yaml")
        file.write_text(dump_yaml(experiment))
        return make_plan(file, overrides, site=site, max_parallel=max_parallel)


def _submit(plan: Plan, out: str, *, follow: bool, wait: bool, as_json: bool) -> int:
    from nsg_cluster.cli.ending import attend
    from nsg_cluster.core.files import absolute_path
    from nsg_cluster.runs.submit import submit

    status = attend(submit(plan), follow=follow, wait=wait, as_json=as_json)
    if follow and not wait and not as_json:
        click.echo(f"views     {absolute_path(out)}")
    return status


def _render(models: list[ModelFile], settings: ObjectsData, *, again: bool, as_json: bool) -> int:
    """Render models here, say how far it is, and return the exit status."""
    from nsg_cluster.core.errors import NsgError
    from nsg_cluster.core.signals import StopSignal
    from nsg_cluster.objects.batch import render_all

    shown = _Progress([model.name for model in models])
    with StopSignal() as stop:
        outcomes = render_all(
            models, settings, stop=stop, again=again, follow=shown.follow, ended=shown.ended, say=shown.say
        )
    if as_json:
        options.print_json({"models": [outcome.to_json() for outcome in outcomes], "asked": len(models)})
    elif summary := _summary(outcomes, len(models)):
        click.echo(summary)
    if outcomes[-1].state == "interrupted":
        click.echo("interrupted; the same command goes on where it stopped", err=True)
        return INTERRUPTED
    broken = sum(outcome.state == "broken" for outcome in outcomes)
    return 0 if not broken else 1 if broken < len(models) else NsgError.exit_status


class _Progress:
    """Says on standard error how far the rendering is: a line that is replaced on a terminal, one now and then else."""

    SECONDS_BETWEEN_LINES = 10.0

    def __init__(self, names: list[str]) -> None:
        self._names, self._terminal = names, sys.stderr.isatty()
        self._spoke = time.monotonic()

    def follow(self, index: int, done: int, views: int) -> None:
        """Say how many views of a model are there."""
        text = f"{index + 1}/{len(self._names)} {self._names[index]}: {done} of {views} views"
        if self._terminal:
            click.echo(f"\r\x1b[K{text}", err=True, nl=False)
        elif time.monotonic() - self._spoke >= self.SECONDS_BETWEEN_LINES:
            self._spoke = time.monotonic()
            click.echo(text, err=True)

    def ended(self, outcome: Outcome) -> None:
        """Say what became of a model."""
        for note in outcome.notes:
            self.say(f"{outcome.name}: {note}")
        if outcome.state == "broken":
            self.say(f"error: {outcome.error}")
        elif self._terminal:
            click.echo("\r\x1b[K", err=True, nl=False)

    def say(self, text: str) -> None:
        """Say a line of its own."""
        if self._terminal:
            click.echo("\r\x1b[K", err=True, nl=False)
        click.echo(text, err=True)


def _summary(outcomes: list[Outcome], asked: int) -> str:
    """Return one line for a model, or the counts of many; nothing where one sentence has said it all."""
    only = outcomes[0]
    if asked == 1 and only.state in {"broken", "interrupted"}:
        return ""
    if asked == 1:
        rate = f", {60.0 * only.rendered / only.seconds:.0f} a minute" if only.rendered else ""
        return f"{only.views} views in {only.folder} ({only.rendered} rendered now{rate})"
    counts = {state: [item for item in outcomes if item.state == state] for state in ("rendered", "kept", "broken")}
    views = sum(item.rendered for item in outcomes)
    told = [f"{len(items)} {state}" for state, items in counts.items() if items]
    left = f", {asked - sum(map(len, counts.values()))} left" if asked > sum(map(len, counts.values())) else ""
    lines = [f"{asked} models: {', '.join(told) or 'none finished'}{left}; {views} views rendered now"]
    lines += [f"  broken: {item.name}: {item.error.splitlines()[0]}" for item in counts["broken"]]
    return "\n".join(lines)
