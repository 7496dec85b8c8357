"""What an image is built from, and everything that it follows from, so that it is not built twice.

=================  ====================================================================================
``definition``     a Dockerfile, converted to a definition
``oci``            a Dockerfile, which SingularityCE builds itself
``docker-archive`` a tar archive that ``docker save`` or ``buildah push docker-archive:`` wrote
``file``           a definition file of Apptainer or Singularity
=================  ====================================================================================
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nsg_cluster.container.loss import loss_text
from nsg_cluster.container.manifest import file_digest, is_image, read_manifest, text_digest
from nsg_cluster.container.program import Program
from nsg_cluster.core.errors import ConfigError, ContainerError, MachineError, did_you_mean

if TYPE_CHECKING:
    from nsg_cluster.container.definition import Definition

__all__ = ["Blueprint", "Builder", "Written", "builder_of", "changed", "make_blueprint"]

Builder = Literal["definition", "docker-archive", "oci", "file"]
# Filled in for every build and no reason to build again: which sources an image was built from.
AUTOMATIC = ("VERSION", "GIT_COMMIT")
WHEELS = "/mnt/wheels"
NAME = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A recipe as the container program takes it."""

    source: str
    """Definition file, ``docker-archive:…`` or a Dockerfile."""
    options: tuple[str, ...] = ()
    """Options of ``build``."""
    losses: tuple[str, ...] = ()
    """What is said in another way than in the Dockerfile, or cannot be said."""

    def argv(self, program: Program, target: Path) -> list[str]:
        """Return the arguments that build an image."""
        return [program.path, "build", *self.options, str(target), self.source]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What an image is built from."""

    name: str
    """What the image's file name begins with."""
    path: Path
    """Dockerfile, archive or definition."""
    context: Path
    """Folder that ``COPY`` reads."""
    builder: Builder
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Values of ``ARG``."""
    bases: Mapping[str, str] = field(default_factory=dict)
    """Images or root file systems on disk for what ``FROM`` names."""
    wheels: Path | None = None
    """Folder of wheels from which alone pip installs."""
    binds: tuple[str, ...] = ()
    """What is seen while building only."""
    options: tuple[str, ...] = ()
    """Further options of ``build``."""

    def settings(self) -> dict[str, Any]:
        """Return what was asked for besides the recipe, as a manifest keeps it."""
        return {
            "context": str(self.context),
            "arguments": dict(self.arguments),
            "bases": {name: str(Path(path).absolute()) for name, path in self.bases.items()},
            "wheels": str(self.wheels.absolute()) if self.wheels else None,
            "binds": list(self.binds),
            "options": list(self.options),
        }

    def inputs(self) -> dict[str, str]:
        """Return the digest of everything that the image follows from, by name.

        Raises:
            ContainerError: The recipe has mistakes, or something that it names is missing.
        """
        found = {f"base {name}": _identity(Path(path)) for name, path in self.bases.items()}
        found |= {f"bind {bind}": "" for bind in self.binds} | {f"option {option}": "" for option in self.options}
        if self.wheels is not None:
            names = sorted(path.name for path in self.wheels.glob("*.whl"))
            found["wheels"] = text_digest("\n".join(names))
        if self.builder in {"definition", "oci"}:
            converted = self.converted(dict.fromkeys(AUTOMATIC, ""))
            return {**found, "recipe": text_digest(converted.text), **self._files(converted)}
        return {**found, "recipe": _identity(self.path) if self.builder == "docker-archive" else _digest(self.path)}

    def write(self, folder: Path, program: Program, automatic: Mapping[str, str]) -> Written:
        """Write what the container program builds from into a folder.

        Args:
            folder: Where to write.
            program: What builds.
            automatic: Values of `AUTOMATIC` arguments that the Dockerfile declares.

        Raises:
            ContainerError: The Dockerfile says something that cannot be expressed.
            MachineError: The container program cannot build it.
        """
        if self.builder == "oci":
            return self._oci(program, automatic)
        options = (*_fakeroot(), *self.options, *(word for bind in self._binds() for word in ("--bind", bind)))
        if self.builder == "docker-archive":
            return Written(source=f"docker-archive:{self.path}", options=options)
        if self.builder == "file":
            return Written(source=str(self.path), options=options)
        converted = self.converted(automatic)
        path = folder / "image.def"
        path.write_text(_with_binds(converted.text, self._binds(), wheels=self.wheels is not None))
        return Written(
            source=str(path), options=options, losses=tuple(loss_text(converted.losses, self.path).splitlines())
        )

    def converted(self, automatic: Mapping[str, str]) -> Definition:
        """Return the Dockerfile as a definition.

        Raises:
            ContainerError: It has mistakes, or does not begin from an image that is to be replaced.
        """
        # Loads spython, for which what needs no Dockerfile does not wait.
        from nsg_cluster.container.definition import convert

        declared = set(re.findall(r"(?im)^\s*ARG\s+(\w+)", self.path.read_text(errors="replace")))
        shown = self.path.relative_to(self.context) if self.path.is_relative_to(self.context) else self.path
        found = convert(
            self.path,
            context=self.context,
            arguments={**{key: value for key, value in automatic.items() if key in declared}, **self.arguments},
            bases={name: Path(path).absolute() for name, path in self.bases.items()},
            shown=str(shown),
        )
        for name in self.bases:
            if name not in found.images and f"{name}:latest" not in found.images:
                near = did_you_mean(name, found.images)
                raise ContainerError(f"--base {name}: {self.path} begins from {', '.join(found.images)}.{near}")
        return found

    def _files(self, definition: Definition) -> dict[str, str]:
        """Return the digest of each file of the context that is copied."""
        context, found = definition.context, {}
        for text in definition.sources:
            for source in context.find(text):
                for name in context.listed(source) if source.is_folder else [source.path]:
                    found[f"file {name}"] = _state(context.root / name)
        return found

    def _oci(self, program: Program, automatic: Mapping[str, str]) -> Written:
        """Return what SingularityCE builds by itself.

        Raises:
            ConfigError: Something is asked for that it cannot do.
            MachineError: It is another program, or too old.
        """
        if not program.builds_dockerfiles:
            raise MachineError(
                f"builder oci: this machine has {program}, and only SingularityCE or PRO 4.1 and newer build a "
                f"Dockerfile by themselves; take builder definition"
            )
        for name in ("bases", "wheels", "binds"):
            if getattr(self, name):
                raise ConfigError(f"builder oci: {name} cannot be given to it; take builder definition")
        if self.path != self.context / "Dockerfile":
            raise ConfigError(f"builder oci: it builds {self.context / 'Dockerfile'} alone; take builder definition")
        arguments = {**automatic, **self.arguments}
        options = (
            "--oci",
            *self.options,
            *(word for item in arguments.items() for word in ("--build-arg", "=".join(item))),
        )
        return Written(source=str(self.path), options=options)

    def _binds(self) -> tuple[str, ...]:
        return (*self.binds, *([f"{self.wheels}:{WHEELS}:ro"] if self.wheels is not None else []))


def builder_of(path: Path) -> Builder:
    """Return how a file is built, told by its name."""
    if path.suffix == ".def":
        return "file"
    return "docker-archive" if path.suffix in {".tar", ".tgz"} or path.name.endswith(".tar.gz") else "definition"


def make_blueprint(
    path: Path,
    *,
    builder: Builder,
    context: Path | None = None,
    name: str | None = None,
    arguments: Mapping[str, str] | None = None,
    bases: Mapping[str, str] | None = None,
    wheels: Path | None = None,
    binds: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Blueprint:
    """Return what an image is built from.

    Args:
        path: Dockerfile, archive or definition.
        builder: How it is built.
        context: Folder that ``COPY`` reads; by default the Dockerfile's, or the one above where that is ``docker``.
        name: What the image's file name begins with; made from the names of file and context by default.
        arguments: Values of ``ARG``.
        bases: Images on disk for what ``FROM`` names.
        wheels: Folder of wheels from which alone pip installs.
        binds: What is seen while building only.
        options: Further options of ``build``.

    Raises:
        ContainerError: Something that is named is not there.
    """
    path = path.absolute()
    if not path.is_file():
        near = did_you_mean(path.name, (each.name for each in path.parent.glob("*") if each.is_file()))
        raise ContainerError(f"{path}: no such file; name a Dockerfile, a definition or an archive.{near}")
    for base, target in (bases or {}).items():
        if not Path(target).exists():
            raise ContainerError(f"--base {base}={target}: there is no {target}")
    if wheels is not None and not any(wheels.glob("*.whl")):
        raise ContainerError(f"--wheels {wheels}: holds no wheel; fill it with 'pip download --dest {wheels} …'")
    above = path.parent.parent if path.parent.name == "docker" else path.parent
    folder = (context or above).absolute()
    return Blueprint(
        name=name or _name(path, folder),
        path=path,
        context=folder,
        builder=builder,
        arguments=arguments or {},
        bases=bases or {},
        wheels=wheels,
        binds=tuple(binds),
        options=tuple(options),
    )


def _name(path: Path, context: Path) -> str:
    """Return ``nsg_cluster-cpu`` for ``nsg_cluster/docker/Dockerfile.cpu``, and the stem of another file."""
    if not path.name.lower().startswith("dockerfile"):
        return NAME.sub("-", path.name.split(".")[0]) or "image"
    kind = path.name[len("dockerfile") :].strip(".-_")
    return NAME.sub("-", "-".join([context.name or "image", *([kind] if kind else [])]))


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names of inputs that differ, in order."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def _fakeroot() -> tuple[str, ...]:
    return () if os.geteuid() == 0 else ("--fakeroot",)


def _identity(path: Path) -> str:
    """Return what tells the states of a large file or a folder apart without reading it all."""
    manifest = read_manifest(path) if is_image(path) else None
    if manifest is not None:
        return manifest.digest
    found = path.stat()
    return f"{path} {found.st_size} {found.st_mtime_ns}"


def _state(path: Path) -> str:
    """Return the digest of what a build copies of a file, a link or a folder: its content and its mode."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    mode = f"{path.stat().st_mode & 0o777:o}"
    return mode if path.is_dir() else f"{mode} {_digest(path)}"


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise ContainerError(f"{path}: cannot be read: {error.strerror}") from None


def _with_binds(text: str, binds: Sequence[str], *, wheels: bool) -> str:
    """Return a definition that makes the places where something is bound, and lets pip see nothing but wheels.

    A container program binds nothing while building where there is no place for it.
    """
    if not binds:
        return text
    places = [line for bind in binds for line in _place(*bind.split(":")[:2])]
    exports = [f"    export PIP_NO_INDEX=1 PIP_FIND_LINKS={WHEELS}"] if wheels else []
    stages = re.split(r"(?m)^(?=Bootstrap:)", text)
    return "".join(_with_lines(stage, places, exports) for stage in stages)


def _place(source: str, target: str | None = None) -> list[str]:
    """Return lines of ``%setup`` that make what a bind covers."""
    place = f'"${{APPTAINER_ROOTFS:-$SINGULARITY_ROOTFS}}"{shlex.quote(target or source)}'
    if Path(source).is_dir():
        return [f"    mkdir -p {place}"]
    return [f'    mkdir -p "$(dirname {place})"', f"    [ -e {place} ] || : > {place}"]


def _with_lines(stage: str, setup: Sequence[str], post: Sequence[str]) -> str:
    """Return a stage with lines at the head of its ``%setup`` and its ``%post``, where it has a ``%post``."""
    if not re.search(r"(?m)^%post\b", stage):
        return stage
    if not re.search(r"(?m)^%setup\b", stage):
        stage = re.sub(r"(?m)^(?=%post\b)", "%setup\n\n", stage, count=1)
    for section, lines in (("setup", setup), ("post", post)):
        stage = re.sub(rf"(?m)^%{section}\b.*$", lambda head: "\n".join([head[0], *lines]), stage, count=1)  # noqa: B023
    return stage
