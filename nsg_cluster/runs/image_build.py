"""Building an image here, or as a job of a site."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsg_cluster import __version__
from nsg_cluster.config.container import ContainerConfig, combined
from nsg_cluster.config.site import Site, load_site
from nsg_cluster.container.blueprint import Blueprint
from nsg_cluster.container.build import build, scratch_folder
from nsg_cluster.container.build import found as find_built
from nsg_cluster.container.manifest import Manifest
from nsg_cluster.container.program import find_program
from nsg_cluster.core.errors import ConfigError, MachineError
from nsg_cluster.core.paths import StoragePaths
from nsg_cluster.core.process import run, start
from nsg_cluster.core.units import parse_duration
from nsg_cluster.runs.image import blueprint_of
from nsg_cluster.tasks.watch import package_environment

__all__ = ["BuildJob", "BuildSubmitted", "Outcome", "Wish", "build_image", "submit_build"]

GIT_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An image that somebody wants built."""

    blueprint: Blueprint
    site: Site
    site_reference: str | None
    """What finds the site again: its name or file."""
    scratch: str | None
    """Folder to build in; ``None`` for the node's own."""

    @property
    def images(self) -> Path:
        """Folder of images."""
        return StoragePaths(Path(self.site.storage)).images

    @classmethod
    def make(
        cls,
        path: Path,
        site: str | None,
        *,
        bases: Sequence[str] = (),
        arguments: Sequence[str] = (),
        wheels: Path | None = None,
        builder: str | None = None,
        build_options: Sequence[str] = (),
        context: Path | None = None,
        name: str | None = None,
        scratch: str | None = None,
    ) -> Wish:
        """Return what a command line asks for; what it leaves open the site's file says.

        Raises:
            ConfigError: A pair has no ``=``, or the site's file has mistakes.
            ContainerError: Something that is named is not there.
        """
        found = load_site(site)
        given = {
            "bases": _pairs("--base", bases),
            "build_args": _pairs("--build-arg", arguments),
            "wheels": str(wheels) if wheels else None,
            "builder": builder,
            "build_options": tuple(build_options),
        }
        config = combined(found.container, ContainerConfig(**{key: value for key, value in given.items() if value}))
        blueprint = blueprint_of(config, path, context=context, name=name)
        reference = str(Path(site).absolute()) if site and Path(site).is_file() else site
        return cls(blueprint=blueprint, site=found, site_reference=reference, scratch=scratch)

    def argv(self) -> list[str]:
        """Return the program that builds it, wherever it is started."""
        blueprint = self.blueprint
        words = ["image", "build", str(blueprint.path), "--builder", blueprint.builder, "--name", blueprint.name]
        words += ["--context", str(blueprint.context)]
        words += [word for item in blueprint.bases.items() for word in ("--base", "=".join(item))]
        words += [word for item in blueprint.arguments.items() for word in ("--build-arg", "=".join(item))]
        words += ["--wheels", str(blueprint.wheels)] if blueprint.wheels else []
        words += [f"--build-option={option}" for option in blueprint.options]
        words += ["--scratch", self.scratch] if self.scratch else []
        words += ["--site", self.site_reference] if self.site_reference else []
        # A job does not inherit what was chosen by variables where it was submitted.
        chosen = [f"NSG_STORAGE={self.site.storage}", *([f"NSG_GROUP={self.site.group}"] if self.site.group else [])]
        return ["/usr/bin/env", *chosen, sys.executable, "-m", "nsg_cluster", *words]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An image that is there now."""

    image: Path
    manifest: Manifest
    is_new: bool
    """Whether it was built just now."""


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    wrong = [text for text in texts if "=" not in text]
    if wrong:
        raise ConfigError(f"{option} {wrong[0]}: write NAME=VALUE")
    # An image may be named after a digest or a port, but its name holds no '='.
    return dict(text.split("=", 1) for text in texts)


def build_image(wish: Wish, *, force: bool, say: Callable[[str], None]) -> Outcome:
    """Build an image here, unless one was built from exactly this already.

    Raises:
        NsgError: It cannot be built.
    """
    blueprint = wish.blueprint
    if not force and (there := find_built(blueprint, blueprint.inputs(), wish.images)):
        return Outcome(image=there.image, manifest=there.manifest, is_new=False)
    program = find_program()
    scratch = scratch_folder(wish.scratch, os.environ)
    made = build(
        blueprint, program, automatic=_automatic(blueprint.context), images=wish.images, scratch=scratch, say=say
    )
    return Outcome(image=made.image, manifest=made.manifest, is_new=True)


def _automatic(context: Path) -> dict[str, str]:
    """Return which sources an image is built from: the version, and the git commit of the context."""
    try:
        git = ["git", "-C", str(context)]
        head = run([*git, "rev-parse", "HEAD"], timeout_s=GIT_TIMEOUT_S)
        changes = run([*git, "status", "--porcelain"], timeout_s=GIT_TIMEOUT_S)
    except MachineError:
        return {"VERSION": __version__}
    if head.status != 0:
        return {"VERSION": __version__}
    dirty = "-dirty" if changes.out.strip() else ""
    return {"VERSION": __version__, "GIT_COMMIT": head.out.strip() + dirty}


class BuildJob:
    """The callable that a scheduler's job runs: builds an image on its node.

    Args:
        argv: Program that builds it.
    """

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv

    def __call__(self) -> int:
        """Build it, and end the job as the build ended."""
        process = start(self.argv, env={**os.environ, **package_environment(os.environ)})
        if status := process.wait():
            sys.exit(status if status > 0 else 1)
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSubmitted:
    """A build that a scheduler has taken."""

    job_id: str
    log: str


def submit_build(wish: Wish, walltime: str | None = None) -> BuildSubmitted:
    """Hand a build to the site's scheduler.

    Raises:
        ConfigError: The site has none, or sells nothing that fits.
        MachineError: It refused.
    """
    if wish.site.scheduler == "local":
        raise ConfigError(f"site {wish.site.name}: starts no jobs; build right here, without --as-job")
    # Checked here and not an hour later, on the node.
    wish.blueprint.inputs()
    # A login node starts quickly without submitit.
    from nsg_cluster.executor.placement import Need, place
    from nsg_cluster.executor.select import make_executor

    placement = place(wish.site, Need(gpus=0, walltime_s=parse_duration(walltime) if walltime else None))
    folder = wish.images / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    executor = make_executor(wish.site, folder, placement, name=f"image-{wish.blueprint.name}")
    job = executor.submit(BuildJob(wish.argv()))
    return BuildSubmitted(job_id=str(job.job_id), log=str(job.paths.stderr))
