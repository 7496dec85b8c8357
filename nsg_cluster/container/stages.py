"""Stages of a Dockerfile: what each begins from, which the target needs, and variables before the first FROM."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nsg_cluster.container.dockerfile import Dockerfile, Instruction, Mistakes, split_words
from nsg_cluster.container.words import WordError, expand, literal
from nsg_cluster.core.errors import did_you_mean

__all__ = ["SCRATCH", "Plan", "Stage", "plan_stages"]

SCRATCH = "scratch"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What stands between one FROM and the next."""

    index: int
    name: str
    """Its own name, or ``stage-<index>``."""
    line: int
    image: str
    """Image that it begins from; that of the parent where it begins from a stage."""
    parent: Stage | None
    instructions: tuple[Instruction, ...]

    @property
    def chain(self) -> tuple[Stage, ...]:
        """The stages that it is built on, the first first, and itself."""
        return (*(self.parent.chain if self.parent else ()), self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which stages are built, in order; the last is the image."""

    stages: tuple[Stage, ...]
    unused: tuple[Stage, ...]
    images: tuple[str, ...]
    """Images that are no stages but that files are copied from."""
    arguments: Mapping[str, str]
    """Values of ARG before the first FROM, of the platform, and those given for this build."""
    given: Mapping[str, str]

    def label(self, origin: str) -> str:
        """Return the name that a stage, or an image that files are copied from, has in the definition."""
        found = _find(origin, self.stages)
        return found.name if isinstance(found, Stage) else f"image-{self.images.index(origin)}"


def plan_stages(
    dockerfile: Dockerfile, mistakes: Mistakes, *, given: Mapping[str, str], target: str | None, machine: str
) -> Plan:
    """Find the stages and those that the target needs.

    Args:
        dockerfile: The instructions.
        mistakes: Takes what is wrong.
        given: Values of ARG for this build.
        target: Name or number of the stage that becomes the image; the last by default.
        machine: Kind of processor, as ``platform.machine()`` says it.
    """
    reader = _Reader(dockerfile, mistakes, dict(given), ARCHITECTURES.get(machine, machine))
    stages = reader.read()
    mistakes.raise_any()
    wanted = _target(stages, target, mistakes)
    mistakes.raise_any()
    needed = _needed(wanted, stages, mistakes)
    mistakes.raise_any()
    used = {stage.index for each in needed for stage in each.chain}
    images = dict.fromkeys(
        source for stage in needed for _, source in _sources(stage) if isinstance(_find(source, stages), str)
    )
    unused = tuple(stage for stage in stages if stage.index not in used)
    return Plan(stages=needed, unused=unused, images=tuple(images), arguments=reader.arguments, given=given)


class _Reader:
    def __init__(self, dockerfile: Dockerfile, mistakes: Mistakes, given: dict[str, str], arch: str) -> None:
        self.dockerfile, self.mistakes, self.given = dockerfile, mistakes, given
        self.platform = f"linux/{arch}"
        both = {"PLATFORM": self.platform, "OS": "linux", "ARCH": arch, "VARIANT": ""}
        self.arguments = {f"{side}{name}": value for side in ("TARGET", "BUILD") for name, value in both.items()}
        self.names = {
            match[1].lower(): (index, each.line)
            for index, each in enumerate(each for each in dockerfile.instructions if each.keyword == "FROM")
            if (match := re.search(r"\sAS\s+(\S+)$", each.text, re.IGNORECASE))
        }

    def read(self) -> list[Stage]:
        stages: list[Stage] = []
        body: list[Instruction] = []
        opening: Instruction | None = None
        for instruction in self.dockerfile.instructions:
            if instruction.keyword == "FROM":
                stages += self._close(opening, body, stages)
                opening, body = instruction, []
            elif opening:
                body.append(instruction)
            elif instruction.keyword == "ARG":
                self._global(instruction)
            else:
                sentence = f"{instruction.keyword} stands before the first FROM; only ARG may"
                self.mistakes.add(instruction.line, sentence)
        if opening is None:
            self.mistakes.add(1, "has no FROM; a Dockerfile begins with FROM and the image to build on")
        return stages + self._close(opening, body, stages)

    def _expand(self, text: str, line: int) -> str:
        try:
            value = expand(text, lambda name: _known(self.arguments, name), self.dockerfile.escape)
        except WordError as error:
            self.mistakes.add(line, f"{error}")
            return ""
        return literal(value) or ""

    def _global(self, instruction: Instruction) -> None:
        for word in split_words(instruction.text, self.dockerfile.escape):
            name, has_value, text = word.partition("=")
            if name in self.given:
                self.arguments[name] = self.given[name]
            elif has_value:
                self.arguments[name] = self._expand(text, instruction.line)

    def _close(self, opening: Instruction | None, body: list[Instruction], stages: list[Stage]) -> list[Stage]:
        if opening is None:
            return []
        words = opening.text.split()
        line = opening.line
        if len(words) not in {1, 3} or (len(words) == 3 and words[1].upper() != "AS"):
            self.mistakes.add(line, f"FROM is written 'FROM image' or 'FROM image AS name', not 'FROM {opening.text}'")
            return []
        image = self._expand(words[0], line)
        name = words[2].lower() if len(words) == 3 else f"stage-{len(stages)}"
        self._check(opening, words[0], image, name, stages)
        parent = next((stage for stage in reversed(stages) if stage.name == image.lower()), None)
        return [
            Stage(
                index=len(stages),
                name=name,
                line=line,
                image=parent.image if parent else image,
                parent=parent,
                instructions=tuple(body),
            )
        ]

    def _check(self, opening: Instruction, written: str, image: str, name: str, stages: list[Stage]) -> None:
        line = opening.line
        if not image:
            self.mistakes.add(line, f"FROM {written} names no image; give the ARG a default, or a value for this build")
        if not re.fullmatch(r"[a-z][a-z0-9_.-]*", name):
            self.mistakes.add(line, f"'{name}' is no name for a stage: a letter, then letters, digits, '_', '-', '.'")
        if any(stage.name == name for stage in stages):
            self.mistakes.add(line, f"a stage named '{name}' exists already")
        later, later_line = self.names.get(image.lower(), (-1, 0))
        if later > len(stages):
            self.mistakes.add(
                line, f"FROM {image} is cyclic: stage '{image}' is defined later, at line {later_line}; move it up"
            )
        platform = self._expand(opening.flag("platform") or self.platform, line)
        if platform != self.platform:
            self.mistakes.add(
                line, f"--platform={platform} cannot be built here: Singularity builds for {self.platform} alone"
            )


def _known(arguments: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    return (arguments[name],) if name in arguments else None


def _find(source: str, stages: Iterable[Stage]) -> Stage | str:
    """Return the stage that a name or number stands for; the text itself where it names an image."""
    for stage in stages:
        if source.lower() == stage.name or source == str(stage.index):
            return stage
    return source


def _target(stages: list[Stage], target: str | None, mistakes: Mistakes) -> Stage:
    found = stages[-1] if target is None else _find(target, stages)
    if isinstance(found, str):
        names = [stage.name for stage in stages]
        near = did_you_mean(found, names)
        mistakes.add(stages[-1].line, f"no stage is named '{found}'; there are {', '.join(names)}.{near}")
        return stages[-1]
    return found


def _sources(stage: Stage) -> list[tuple[Instruction, str]]:
    """Return what a stage and those it is built on copy from, or mount: instruction, and stage or image."""
    found = []
    for instruction in (each for link in stage.chain for each in link.instructions):
        options = [mount.split(",") for mount in instruction.all_flags("mount")]
        froms = [word.removeprefix("from=") for words in options for word in words if word.startswith("from=")]
        found += [(instruction, source) for source in [*instruction.all_flags("from"), *froms]]
    return found


def _needed(target: Stage, stages: list[Stage], mistakes: Mistakes) -> tuple[Stage, ...]:
    needed, waiting = {}, [target]
    while waiting:
        stage = waiting.pop()
        if stage.index in needed:
            continue
        needed[stage.index] = stage
        for instruction, source in _sources(stage):
            found = _find(source, stages)
            if isinstance(found, Stage) and any(found.index == link.index for link in stage.chain[-1:]):
                mistakes.add(instruction.line, f"--from={source} is cyclic: the stage copies from itself")
            elif isinstance(found, Stage) and found.index > stage.index:
                mistakes.add(instruction.line, f"--from={source} names a stage that is defined later, at {found.line}")
            elif isinstance(found, Stage):
                waiting.append(found)
            elif source.isdigit() or _looks_like_stage(source, stages):
                names = ", ".join(each.name for each in stages if each.index < stage.index) or "none"
                near = did_you_mean(source, [each.name for each in stages])
                mistakes.add(instruction.line, f"--from={source} names no stage; there are {names}.{near}")
    return tuple(needed[index] for index in sorted(needed))


def _looks_like_stage(source: str, stages: list[Stage]) -> bool:
    """Whether a name is rather a stage's with a slip than an image's."""
    return bool(did_you_mean(source, [stage.name for stage in stages])) and not re.search("[/:@]", source)
