"""A Dockerfile as a Singularity definition.

Each stage that the target needs becomes a ``Bootstrap``/``From``/``Stage`` of its own; a stage that is built on another
repeats its steps, since a definition cannot begin from a stage. What stands where:

============== ==========================================================================================
``%setup``     what COPY and ADD take from the context, staged by the host
``%files from`` what they take from other stages, staged
``%post``      ENV and ARG exported; RUN, COPY, WORKDIR in the order of the Dockerfile; labels
``%environment`` ENV
``%runscript`` WORKDIR, ENTRYPOINT and CMD
============== ==========================================================================================

The text is written by spython's ``SingularityWriter``: its sections are kept. Replaced is how it puts them together (it
knows the ``docker`` bootstrap only and takes empty lines out of scripts) and how it makes the start of the image from
ENTRYPOINT and CMD (it joins words and loses their quoting).
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spython.main.parse.writers import SingularityWriter

from nsg_cluster.container import shell
from nsg_cluster.container.context import Context, read_context
from nsg_cluster.container.dockerfile import Dockerfile, Mistakes, read_dockerfile
from nsg_cluster.container.loss import Loss
from nsg_cluster.container.quoting import quote
from nsg_cluster.container.recipe import StageParser
from nsg_cluster.container.stage_state import StageRecipe
from nsg_cluster.container.stages import SCRATCH, Plan, Stage, plan_stages
from nsg_cluster.container.startup import runscript

__all__ = ["Definition", "convert"]

# Singularity reads a section into a buffer of 64 KiB; sections of one name are joined.
SECTION_BYTES = 60_000
HEADER = """\
# Generated from {path}; change that file, not this one.
# Build it from the folder that COPY reads from: singularity build --fakeroot IMAGE.sif THIS_FILE
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The result of a conversion."""

    text: str
    losses: tuple[Loss, ...]
    images: tuple[str, ...]
    """Base images, as the Dockerfile names them, without scratch."""
    context: Context
    sources: tuple[str, ...]
    """Files and folders of the context that are copied, relative to it."""


def convert(
    path: Path,
    *,
    context: Path,
    arguments: Mapping[str, str] | None = None,
    bases: Mapping[str, Path] | None = None,
    target: str | None = None,
    shown: str | None = None,
) -> Definition:
    """Convert a Dockerfile.

    Args:
        path: The Dockerfile.
        context: Folder that COPY reads from; the image is built there.
        arguments: Values of ARG for this build.
        bases: Image files that take the place of base images, by the name that FROM gives them.
        target: Stage that becomes the image; the last by default.
        shown: How the text names the Dockerfile; ``path`` by default.

    Raises:
        ContainerError: The file is wrong, or says what an image of Singularity cannot; each mistake has its line.
    """
    dockerfile, mistakes = read_dockerfile(path), Mistakes(path)
    files = read_context(context, path)
    given = dict(arguments or {})
    plan = plan_stages(dockerfile, mistakes, given=given, target=target, machine=platform.machine())
    parsers = _parse(dockerfile, plan, files, mistakes)
    _check_arguments(dockerfile, given, mistakes)
    mistakes.raise_any()
    recipes = {parser.state.stage.name: parser.state.result for parser in parsers}
    writer = DefinitionWriter(recipes, dict(bases or {}))
    text = HEADER.format(path=shown or path) + writer.convert()
    return Definition(
        text=text,
        losses=_losses(dockerfile, plan, parsers),
        images=tuple(dict.fromkeys(recipe.fromHeader for recipe in recipes.values() if recipe.fromHeader != SCRATCH)),
        context=files,
        sources=tuple(dict.fromkeys(source for parser in parsers for source in parser.copier.sources)),
    )


def _parse(dockerfile: Dockerfile, plan: Plan, context: Context, mistakes: Mistakes) -> list[StageParser]:
    images = [
        Stage(index=-1, name=plan.label(image), line=0, image=image, parent=None, instructions=())
        for image in plan.images
    ]
    parsers = [StageParser(stage, plan, context, mistakes, dockerfile.escape) for stage in (*images, *plan.stages)]
    for parser in parsers:
        parser.parse()
    by_name = {parser.state.stage.name: parser for parser in parsers}
    for name, line in [pair for parser in parsers for pair in parser.state.result.packed]:
        by_name[name].state.post(line)
    last = parsers[-1]
    seed = f"{last.state.stage.image}\n{dockerfile.instructions}"
    last.keep_base(f"/.singularity.d/runscript.{hashlib.sha256(seed.encode()).hexdigest()[:8]}")
    return parsers


def _check_arguments(dockerfile: Dockerfile, given: Mapping[str, str], mistakes: Mistakes) -> None:
    declared = {
        word.partition("=")[0]
        for instruction in dockerfile.instructions
        if instruction.keyword == "ARG"
        for word in instruction.text.split()
    }
    for name in sorted(set(given) - declared - PREDEFINED):
        mistakes.add(1, f"a value is given for ARG {name}, which the file does not declare; it has {_list(declared)}")


PREDEFINED = {
    name
    for word in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (word, word.lower())
}


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _losses(dockerfile: Dockerfile, plan: Plan, parsers: Sequence[StageParser]) -> tuple[Loss, ...]:
    found = {loss for parser in parsers for loss in parser.state.losses}
    found |= {Loss(line=line, instruction="", kind="note", sentence=text) for line, text in dockerfile.notes}
    for stage in plan.unused:
        sentence = f"stage '{stage.name}' is not built: the image does not need it"
        found.add(Loss(line=stage.line, instruction="FROM", kind="note", sentence=sentence))
    for stage in plan.stages:
        repeated = [link.name for link in stage.chain[:-1]]
        if set(repeated) & {other.name for other in plan.stages}:
            sentence = f"'{stage.name}' repeats the steps of {', '.join(repeated)}: a stage cannot begin from another"
            found.add(Loss(line=stage.line, instruction="FROM", kind="changed", sentence=sentence))
    return tuple(sorted(found))


class DefinitionWriter(SingularityWriter):  # type: ignore[misc]
    """Writes recipes as one definition.

    Args:
        recipe: Recipes by the names of their stages; the last is the image.
        bases: Image files by the names of the images that they replace.
    """

    def __init__(self, recipe: Mapping[str, StageRecipe], bases: Mapping[str, Path]) -> None:
        super().__init__(dict(recipe))
        self.bases = bases

    def convert(self, runscript: str = "", force: bool = False) -> str:  # noqa: ARG002, FBT001, FBT002 - spython's
        """Return the definition's text."""
        self.validate()
        last = list(self.recipe)[-1]
        return "\n".join(self._stage(name, is_image=name == last) for name in self.recipe)

    def _stage(self, name: str, *, is_image: bool) -> str:
        recipe: StageRecipe = self.recipe[name]
        self.stage = name
        labels = [] if recipe.fromHeader == SCRATCH else recipe.labels
        if is_image:
            recipe.install += [shell.call("nsg_label", *map(quote, pair)) for pair in labels]
        if recipe.install:
            recipe.install.append(f"rm -rf {shell.STAGING}")
        elif recipe.setup:
            recipe.setup.append(f'rm -rf "$nsg_root"{shell.STAGING}')
        sections = [self._header(name, recipe), self._script("setup", shell.setup_script(recipe.setup))]
        for layer, files in recipe.layer_files.items():
            sections.append([f"%files from {layer}", *(f"    {source} {target}" for source, target in files)])
        sections.append(self._script("post", shell.post_script(recipe.install)) if recipe.install else [])
        sections += self._image(recipe) if is_image else []
        return "\n".join("\n".join(section) + "\n" for section in sections if section)

    def _header(self, name: str, recipe: StageRecipe) -> list[str]:
        image = recipe.fromHeader
        base = self.bases.get(image) or self.bases.get(image.removesuffix(":latest"))
        if image == SCRATCH:
            return ["Bootstrap: scratch", f"Stage: {name}"]
        kind, found = ("localimage", str(base)) if base else ("docker", image)
        return [f"Bootstrap: {kind}", f"From: {found}", f"Stage: {name}"]

    def _script(self, section: str, pieces: list[str]) -> list[str]:
        """Return a script as sections that are each short enough."""
        out, size = [f"%{section}"], 0
        for piece in pieces:
            length = len(piece.encode()) + 1
            if size + length > SECTION_BYTES and size:
                out, size = [*out, f"%{section}"], 0
            out.append(piece)
            size += length
        return out if len(pieces) > 1 else []

    def _image(self, recipe: StageRecipe) -> list[list[str]]:
        start = [f"    {line}" for line in runscript(recipe.startup)]
        return [
            self._create_section("labels") if recipe.fromHeader == SCRATCH else [],
            self._create_section("environ", "environment"),
            ["%runscript", *start],
            ["%startscript", '    exec /.singularity.d/runscript "$@"'],
        ]
