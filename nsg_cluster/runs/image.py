"""The image that the tasks of a run run in: which one, whether it is there, whole, current, and made for the GPUs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsg_cluster.config.container import NO_IMAGE, ContainerConfig, combined
from nsg_cluster.config.model_files import folders_of
from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.config.schema import Experiment
from nsg_cluster.config.site import Site, load_site
from nsg_cluster.container.architectures import LABEL, runs_on
from nsg_cluster.container.blueprint import Blueprint, builder_of, changed, make_blueprint
from nsg_cluster.container.command import Container, mount
from nsg_cluster.container.manifest import Manifest, is_image, manifests, read_manifest
from nsg_cluster.core.errors import ContainerError, did_you_mean
from nsg_cluster.core.paths import StoragePaths
from nsg_cluster.core.process import BLENDER

__all__ = ["Chosen", "blueprint_of", "choose", "find_image", "known_image"]

BLENDER_LABEL = "nsg_cluster.blender"
# What a run brings itself, so that an image need not be built again for it.
SNAPSHOT = "file nsg_cluster/"
# Variables of a site that name what is on its nodes and not in an image, which has its own.
OF_THE_HOST = {"HOME", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV"}
OF_THE_HOST |= {BLENDER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An image for a run."""

    container: Container
    manifest: Manifest | None
    """What is known about the image; ``None`` where ``image build`` has not made it."""
    notes: tuple[str, ...]
    """What the user should know before anything is queued."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``--dry-run --json`` says of it."""
        return {**self.container.to_json(), "labels": dict(self.manifest.labels) if self.manifest else {}}

    def lines(self) -> list[str]:
        """Return what ``--dry-run`` says of it."""
        built = f", GPUs {self.manifest.labels[LABEL]}" if self.manifest and LABEL in self.manifest.labels else ""
        return [f"image: {self.container.image}{built}", *(f"note: {note}" for note in self.notes)]


def blueprint_of(
    config: ContainerConfig, path: Path, *, context: Path | None = None, name: str | None = None
) -> Blueprint:
    """Return the recipe of an image as a configuration says.

    Raises:
        ContainerError: The file is missing or no recipe.
    """
    return make_blueprint(
        path,
        builder=config.builder or builder_of(path),
        context=context,
        name=name,
        arguments=config.build_args,
        bases=config.bases,
        wheels=Path(config.wheels) if config.wheels else None,
        binds=config.build_binds,
        options=config.build_options,
    )


def find_image(config: ContainerConfig, storage: StoragePaths) -> tuple[Path, Manifest | None, tuple[str, ...]]:
    """Return the image that a configuration names, what is known about it, and what the user should know.

    Raises:
        ContainerError: It is not there, damaged, or was never built.
    """
    assert config.image is not None
    path = Path(config.image)
    if path.is_dir():
        return path, None, ()
    if not path.exists():
        known = [image.name for image, _ in manifests(storage.images)]
        raise ContainerError(f"container.image: {path} is not there.{did_you_mean(path.name, known)}")
    if path.suffix == ".sif" or is_image(path):
        return path, _checked(path), ()
    return _built_from(config, path, storage)


def _checked(image: Path) -> Manifest | None:
    """Return what is known about an image file.

    Raises:
        ContainerError: It is damaged.
    """
    if not is_image(image):
        raise ContainerError(f"container.image: {image} is damaged or no image: it does not begin as a SIF file does")
    manifest = read_manifest(image)
    if manifest and manifest.size != (size := image.stat().st_size):
        raise ContainerError(
            f"container.image: {image} is damaged: it has {size} bytes and was built with {manifest.size}; "
            f"build it again, or copy it again"
        )
    return manifest


def _built_from(
    config: ContainerConfig, path: Path, storage: StoragePaths
) -> tuple[Path, Manifest | None, tuple[str, ...]]:
    """Return the newest image that was built from a recipe as it is now, wherever it lay; else its newest image."""
    candidates = [entry for entry in manifests(storage.images) if Path(entry[1].recipe).name == path.name]
    states: dict[str, Mapping[str, str] | str] = {}
    newest: tuple[Path, Manifest, tuple[str, ...]] | None = None
    for image, manifest in candidates:
        is_own = manifest.recipe == str(path)
        key = json.dumps([manifest.builder, manifest.settings, is_own], sort_keys=True)
        if key not in states:
            states[key] = _inputs_now(config, path, manifest)
        if not (names := _differences(manifest, states[key])):
            return image, manifest, ()
        if is_own and newest is None:
            newest = image, manifest, (_old(image, path, names),)
    if newest is None:
        raise ContainerError(
            f"container.image: no image was built from {path} yet: run 'python launch.py image build {path}' "
            f"(images lie in {storage.images})"
        )
    return newest


def _inputs_now(config: ContainerConfig, path: Path, manifest: Manifest) -> Mapping[str, str] | str:
    """Return what an image would be built from now, asked for as it was then; or why it cannot be built."""
    settings = manifest.settings
    wheels, context = settings.get("wheels"), settings.get("context")
    try:
        return make_blueprint(
            path,
            builder=manifest.builder,  # type: ignore[arg-type] # as it was written
            # Another checkout has a context of its own.
            context=Path(context) if context and manifest.recipe == str(path) else None,
            arguments={**settings.get("arguments", {}), **config.build_args},
            bases={**settings.get("bases", {}), **config.bases},
            wheels=Path(wheels) if wheels else None,
            binds=settings.get("binds", ()),
            options=settings.get("options", ()),
        ).inputs()
    except (ContainerError, OSError) as error:
        return str(error)


def _differences(manifest: Manifest, now: Mapping[str, str] | str) -> list[str]:
    """Return what has changed since an image was built and is not brought by a run itself."""
    if isinstance(now, str):
        return [now]
    return [name for name in changed(manifest.inputs, now) if not name.startswith(SNAPSHOT)]


def _old(image: Path, path: Path, names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
    return f"the image {image.name} is older than {path}: changed since: {shown}; 'image build {path}' makes it anew"


def choose(site: Site, experiment: Experiment, *, architecture: str | None) -> Chosen | None:
    """Return the image of an experiment at a site; ``None`` where tasks run without one.

    Args:
        site: Where it runs.
        experiment: What is computed.
        architecture: Compute capability of the GPUs that its tasks get, such as ``9.0``; ``None`` where not known.

    Raises:
        ContainerError: The image is missing, damaged, or has no code for the GPUs.
        ConfigError: A path cannot be shown to a container.
    """
    config = combined(site.container, experiment.container)
    if config.image in {None, NO_IMAGE}:
        return None
    image, manifest, notes = find_image(config, StoragePaths(Path(site.storage)))
    notes += (*_architecture_notes(image, manifest, architecture), *_blender_notes(image, manifest, experiment))
    container = Container(
        image=str(image),
        digest=manifest.digest if manifest else "",
        python=config.python,
        binds=tuple(dict.fromkeys(_binds(site, experiment, config))),
        variables=(*config.environment, *(name for name in site.environment if name not in OF_THE_HOST)),
        gpu=config.gpu,
        options=config.options,
    )
    return Chosen(container=container, manifest=manifest, notes=notes)


def _architecture_notes(image: Path, manifest: Manifest | None, architecture: str | None) -> tuple[str, ...]:
    """Return what is not known about an image's GPU code.

    Raises:
        ContainerError: It has none for the GPUs.
    """
    if architecture is None:
        return ()
    built = manifest.labels.get(LABEL) if manifest else None
    if built is None:
        return (f"the image {image.name} does not say which GPUs it has code for; these are {architecture}",)
    if not runs_on(built, architecture):
        raise ContainerError(
            f"container.image: {image.name} has code for {built}, but the GPUs are {architecture}: "
            f"build it with --build-arg ARCHITECTURES='{architecture.replace('.', '')}+PTX', or choose another type"
        )
    return ()


def _blender_notes(image: Path, manifest: Manifest | None, experiment: Experiment) -> tuple[str, ...]:
    """Return that an image may lack what renders the views of an experiment; they may be there already."""
    wanted = isinstance(experiment.data, ObjectsData) and "prepare" in experiment.stages
    if not wanted or (manifest and manifest.labels.get(BLENDER_LABEL)):
        return ()
    return (
        f"the image {image.name} does not say that it has Blender, which renders views that are missing: "
        f"'image check {image} --for FILE.yaml' tries it; docker/Dockerfile.render makes one that has",
    )


def _binds(site: Site, experiment: Experiment, config: ContainerConfig) -> Iterator[str]:
    """Yield what a container of an experiment sees: storage, what the site and the experiment bind, and the data."""
    yield mount(site.storage)
    yield from site.binds
    yield from config.binds
    storage = Path(site.storage)
    named = list(_named_paths(experiment.model_dump(exclude={"container"})))
    if isinstance(experiment.data, ObjectsData):
        named += folders_of(experiment.data, experiment.sweep.models if experiment.sweep else None)
    for path in named:
        if path.exists() and not path.is_relative_to(storage):
            yield mount(str(path))


def _named_paths(value: Any) -> Iterator[Path]:
    """Yield the absolute paths among the values of an experiment."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _named_paths(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _named_paths(item)
    elif isinstance(value, str) and value.startswith(os.sep):
        yield Path(value)


def known_image(name: str, site_name: str | None) -> tuple[Path, Manifest]:
    """Return an image and what is known about it.

    Raises:
        ContainerError: There is none, or nothing is known.
    """
    site = load_site(site_name)
    config = combined(site.container, ContainerConfig(image=name))
    image, manifest, _ = find_image(config, StoragePaths(Path(site.storage)))
    if manifest is None:
        raise ContainerError(f"{image}: 'image build' has not made it, so that nothing is known about it")
    return image, manifest
