"""Whether an image can do what a run needs: asked of the image itself, by running it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsg_cluster.config.compose import load
from nsg_cluster.config.container import ContainerConfig, combined
from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.config.site import Site, load_site
from nsg_cluster.container.architectures import LABEL, runs_on
from nsg_cluster.container.command import Container, container_argv, container_environment, has_driver
from nsg_cluster.container.failure import explain
from nsg_cluster.container.manifest import Manifest, file_digest
from nsg_cluster.container.program import Program, find_program
from nsg_cluster.core.errors import ConfigError, ContainerError
from nsg_cluster.core.paths import StoragePaths
from nsg_cluster.core.process import run
from nsg_cluster.runs.finding import Finding
from nsg_cluster.runs.image import find_image

__all__ = ["examine_image", "findings"]

TIMEOUT_S = 600.0
NEEDED = ("torch", "numpy", "pydantic", "PyYAML", "imageio")
OPTIONAL = ("tinycudann", "apex")
RENDERING = "docker/Dockerfile.render"


def examine_image(
    name: str, site_name: str | None, resource_type: str | None, experiment: Path | None = None
) -> list[Finding]:
    """Return the outcome of every check of an image.

    Args:
        name: Dockerfile, ``.sif`` file or folder.
        site_name: Site whose storage and settings count.
        resource_type: Piece of a node whose GPUs the image is to have code for.
        experiment: File of an experiment that it is to be good for.

    Raises:
        ConfigError: The site has no such piece, or the experiment has mistakes.
        ContainerError: There is no such image, or it does not start.
        MachineError: This machine has no container program.
    """
    site = load_site(site_name)
    renders = experiment is not None and _renders(experiment, site)
    config = combined(site.container, ContainerConfig(image=name))
    image, manifest, notes = find_image(config, StoragePaths(Path(site.storage)))
    program = find_program()
    container = Container(
        image=str(image), python=config.python, binds=config.binds, options=config.options, source=_here()
    )
    found = _inventory(container, program)
    result = [_whole(image, manifest), *(Finding(name="current", ok=False, found=note) for note in notes)]
    return [*result, *findings(found, manifest, _architecture(site, resource_type), renders=renders)]


def _renders(experiment: Path, site: Site) -> bool:
    """Return whether an experiment renders 3D models."""
    return isinstance(load(experiment, (), variables={"storage": site.storage}).data, ObjectsData)


def _here() -> str:
    """Return the folder of the package that asks: a run brings the package as well."""
    return str(Path(__file__).resolve().parents[2])


def _architecture(site: Site, resource_type: str | None) -> str | None:
    if resource_type is None:
        return None
    if resource_type not in site.resource_types:
        known = ", ".join(site.resource_types) or "none"
        raise ConfigError(f"site {site.name} has no resource type {resource_type}; it has {known}")
    return site.resource_types[resource_type].architecture


def _inventory(container: Container, program: Program) -> dict[str, Any]:
    """Run the image and return what it says of itself.

    Raises:
        ContainerError: It does not start, or has no Python that can say it.
    """
    command = [container.python, "-m", "nsg_cluster.tasks.inventory"]
    argv = container_argv(container, program, command, folder=Path("/"), gpu=has_driver())
    env = container_environment(container, program, {**os.environ, "PYTHONSAFEPATH": "1"})
    answer = run(argv, timeout_s=TIMEOUT_S, env=env)
    try:
        found: dict[str, Any] = json.loads(answer.out.splitlines()[-1])
    except (ValueError, IndexError):
        why = explain(answer.err or answer.out)
        raise ContainerError(f"{container.image}: {container.python} in it cannot run nsg_cluster: {why}") from None
    return found


def _whole(image: Path, manifest: Manifest | None) -> Finding:
    if manifest is None:
        return Finding(name="image", ok=True, found=f"{image}; 'image build' has not made it")
    whole = file_digest(image) == manifest.digest
    advice = "" if whole else "build it again, or copy it again"
    found = f"{image}{'' if whole else ' is damaged: its digest is not that of its manifest'}"
    return Finding(name="image", ok=whole, found=found, advice=advice)


def findings(
    found: Mapping[str, Any], manifest: Manifest | None, architecture: str | None, *, renders: bool = False
) -> Iterator[Finding]:
    """Yield the outcome of each check of what an image has said.

    Args:
        found: What `nsg_cluster.tasks.inventory` has said in it.
        manifest: What is known about the image.
        architecture: Compute capability that it must have code for; ``None`` for none.
        renders: Whether it must have Blender.
    """
    yield Finding(name="python", ok=True, found=f"{found['python']} at {found['executable']}")
    packages = found["packages"]
    for name in NEEDED:
        advice = "" if packages[name] else f"install {name} in the image"
        yield Finding(name=name, ok=bool(packages[name]), found=packages[name] or "not installed", advice=advice)
    for name in OPTIONAL:
        yield Finding(name=name, ok=True, found=packages[name] or "not installed; only its backend needs it")
    kernels = found.get("kernels", {})
    compiled = str(kernels.get("cpu", "")).startswith("compiled")
    shown = ", ".join(f"{key}: {value}" for key, value in kernels.items()) or "cannot be asked without torch"
    advice = "" if compiled else "let the Dockerfile 'pip install' the package where a C++ compiler is"
    yield Finding(name="kernels", ok=compiled, found=shown, advice=advice)
    yield from _gpu(found, manifest, architecture)
    errors = found["errors"]
    yield Finding(name="training", ok=not errors, found="; ".join(errors) or "two steps on the CPU are well")
    yield _blender(found["blender"], needed=renders)


def _blender(said: Mapping[str, str], *, needed: bool) -> Finding:
    """Return whether the image renders 3D models."""
    found, error = said["found"], said["error"]
    if not found:
        advice = f"build the image from {RENDERING}, or let its Dockerfile put 'blender' on PATH" if needed else ""
        what = "not in it" if needed else f"not in it; only 3D models need it: {RENDERING} has it"
        return Finding(name="blender", ok=not needed, found=what, advice=advice)
    if error:
        advice = f"compare its Dockerfile with {RENDERING}, which installs what Blender is linked with"
        return Finding(name="blender", ok=False, found=f"{found} does not render: {error}", advice=advice)
    return Finding(name="blender", ok=True, found=f"{found}: renders without a display")


def _gpu(found: Mapping[str, Any], manifest: Manifest | None, architecture: str | None) -> Iterator[Finding]:
    label = manifest.labels.get(LABEL) if manifest else None
    for name, numbers in found.get("architectures", {}).items():
        written = ";".join(map(str, numbers))
        # The newest of ours comes with intermediate code, which the file itself does not tell.
        code = f"{written}+PTX" if name == "nsg_kernels" and written else written
        needed = architecture is not None and (name != "tinycudann" or bool(found["packages"]["tinycudann"]))
        ok = not needed or runs_on(code, str(architecture))
        advice = "" if ok else f"build the image for {architecture}: --build-arg ARCHITECTURES=…"
        yield Finding(name=f"GPUs of {name}", ok=ok, found=code or "none", advice=advice)
    if label is not None and architecture is not None:
        ok = runs_on(label, architecture)
        yield Finding(name="GPUs of label", ok=ok, found=label, advice="" if ok else "see the lines above")
