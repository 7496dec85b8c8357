"""The build context: the folder that COPY and ADD read, less what ``.dockerignore`` leaves out.

Patterns are those of Docker (Go's ``filepath.Match`` with ``**``); a path is relative to the context, with ``/``. What
is left out is given to GNU ``tar`` as options, so that a definition depends on the patterns and not on what happens to
lie in the folder.
"""

from __future__ import annotations

import os
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from nsg_cluster.core.errors import ContainerError, reason_of

__all__ = ["Context", "Source", "SourceError", "pattern_regex", "read_context"]


class SourceError(Exception):
    """A source that cannot be copied; the text is a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file or folder of the context."""

    path: str
    """Relative to the context, with no link in it."""
    name: str
    """What a file is called in a folder that it is copied to: the link's name, where it was found by a link."""
    is_folder: bool
    is_archive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A line of ``.dockerignore``."""

    text: str
    regex: re.Pattern[str]
    brings_back: bool
    """It began with ``!``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A folder and what is left out of it."""

    root: Path
    patterns: tuple[Pattern, ...] = ()
    ignore_file: Path | None = None

    @property
    def brings_back(self) -> bool:
        """Whether a pattern takes back what another leaves out."""
        return any(pattern.brings_back for pattern in self.patterns)

    def leaves_out(self, path: str) -> bool:
        """Whether a path is left out: the last pattern that matches it or a folder above it decides."""
        parts = path.split("/")
        heads = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        out = False
        for pattern in self.patterns:
            if out == pattern.brings_back and any(pattern.regex.fullmatch(head) for head in heads):
                out = not pattern.brings_back
        return out

    def find(self, text: str) -> list[Source]:
        """Return what a source of COPY stands for.

        Raises:
            SourceError: It is outside the context, left out, or missing.
        """
        name = os.path.normpath(text.lstrip("/") or ".")
        if name == ".." or name.startswith("../"):
            raise SourceError(f"{text} is outside the context {self.root}; copy it into that folder first")
        if not re.search(r"[*?[\\]", name):
            return [self._source(text, name)]
        found = [path for path in sorted(self._matches(name)) if not self.leaves_out(path)]
        if not found:
            raise SourceError(f"nothing matches {text} in the context {self.root}{self._ignored_hint()}")
        return [self._source(path, path) for path in found]

    def _matches(self, pattern: str) -> list[str]:
        folders = [""]
        for part in pattern.split("/"):
            regex, found = pattern_regex(part), []
            for folder in folders:
                here = self.root / folder
                names = os.listdir(here) if here.is_dir() else []  # noqa: PTH208 - the names alone are wanted
                found += [f"{folder}/{name}".lstrip("/") for name in names if regex.fullmatch(name)]
            folders = found
        return folders

    def _source(self, shown: str, name: str) -> Source:
        path = self.root / name
        resolved, root = path.resolve(), self.root.resolve()
        found = None
        if resolved == root or root in resolved.parents:
            is_folder = resolved.is_dir()
            relative = resolved.relative_to(root).as_posix()
            is_archive = not is_folder and _is_archive(resolved)
            found = Source(path=relative, name=path.name, is_folder=is_folder, is_archive=is_archive)
        if name != "." and self.leaves_out(name) and not (found and self._holds_more(found)):
            raise SourceError(f"{shown} is left out by {self.ignore_file}; remove the pattern or add !{name}")
        if not resolved.exists():
            raise SourceError(f"{shown} is missing in the context {self.root}; paths are relative to that folder")
        if found is None:
            raise SourceError(f"{shown} is a link to {resolved}, outside the context {self.root}")
        return found

    def _holds_more(self, folder: Source) -> bool:
        """Whether something below a folder that is left out is brought back."""
        return folder.is_folder and self.brings_back and len(self.listed(folder)) > 1

    def _ignored_hint(self) -> str:
        return f", less what {self.ignore_file} leaves out" if self.ignore_file else ""

    def tar_options(self, source: Source, exclude: tuple[str, ...] = ()) -> list[str]:
        """Return the arguments of GNU ``tar``, run in the context, that pack a source.

        Where patterns bring something back, which tar cannot say, files are listed one by one.
        """
        if not source.is_folder:
            return ["--", source.path]
        more = tuple(_pattern(f"{source.path}/{text}" if source.path != "." else text) for text in exclude)
        if self.brings_back:
            return ["--no-recursion", "--", *self.listed(source, more)]
        relevant = [pattern for pattern in (*self.patterns, *more) if _may_match_below(pattern.text, source.path)]
        return [option for pattern in relevant for option in _tar_exclude(pattern.text)] + ["--", source.path]

    def listed(self, source: Source, more: tuple[Pattern, ...] = ()) -> list[str]:
        """Return the paths of a folder and of all below it that are not left out, in order."""
        everything = Context(root=self.root, patterns=(*self.patterns, *more))
        found = {source.path}
        for folder, folders, files in os.walk(self.root / source.path):
            base = Path(folder).relative_to(self.root).as_posix()
            prefix = "" if base == "." else f"{base}/"
            kept = {name for name in (*folders, *files) if not everything.leaves_out(prefix + name)}
            found |= {prefix + name for name in kept}
            folders[:] = [name for name in folders if name in kept or everything.brings_back]
        # A folder on the way to what is brought back is needed, though itself left out.
        above = {parent.as_posix() for path in found for parent in Path(path).parents}
        below = "" if source.path == "." else f"{source.path}/"
        return sorted(found | {path for path in above if path != "." and path.startswith(below)})


def _is_archive(path: Path) -> bool:
    try:
        return path.stat().st_size > 0 and tarfile.is_tarfile(path)
    except (OSError, EOFError):
        return False


def read_context(root: Path, dockerfile: Path) -> Context:
    """Return a context with the patterns of ``<Dockerfile>.dockerignore`` or, where that is absent, ``.dockerignore``.

    Raises:
        ContainerError: The folder is missing, or a file of patterns cannot be read.
    """
    if not root.is_dir():
        raise ContainerError(f"{root}: the context is not a folder; name the folder that COPY reads from")
    for file in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), root / ".dockerignore"):
        try:
            text = file.read_text()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise ContainerError(f"{file}: cannot be read: {reason_of(error)}") from None
        lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
        patterns = tuple(_pattern(line) for line in lines if line and not line.startswith("#"))
        return Context(root=root, patterns=tuple(p for p in patterns if p.text != "."), ignore_file=file)
    return Context(root=root)


def _pattern(line: str) -> Pattern:
    brings_back = line.startswith("!")
    text = os.path.normpath(line.removeprefix("!").strip().lstrip("/") or ".")
    return Pattern(text=text, regex=pattern_regex(text), brings_back=brings_back)


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of one of Docker's patterns for paths."""
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.findall(r"\*\*/|\*\*|\\.|\[[^\]]+\]|.", pattern, re.DOTALL)
    return re.compile("".join(known.get(part) or _one(part) for part in parts), re.DOTALL)


def _one(part: str) -> str:
    return part if part[0] == "[" and len(part) > 1 else re.escape(part[-1])


def _may_match_below(pattern: str, folder: str) -> bool:
    """Whether a pattern may match a path below a folder; it is left away where its fixed beginning says no."""
    fixed = re.split(r"[*?[\\]", pattern)[0]
    return folder == "." or fixed.startswith(f"{folder}/") or f"{folder}/".startswith(fixed)


def _tar_exclude(pattern: str) -> list[str]:
    """Return what makes tar leave out what matches a pattern, and all below it."""
    # In tar a leading "./" belongs to the name where the whole context is packed.
    if pattern.startswith("**/") and "**" not in pattern[3:]:
        return ["--no-anchored", "--no-wildcards-match-slash", f"--exclude={pattern[3:]}"]
    names = [pattern, f"./{pattern}"]
    if "**" not in pattern:
        return ["--anchored", "--no-wildcards-match-slash", *(f"--exclude={name}" for name in names)]
    both = {name.replace("**/", "").replace("**", "*") for name in names}
    deep = {name.replace("**", "*") for name in names}
    return ["--anchored", "--wildcards-match-slash", *(f"--exclude={name}" for name in sorted(both | deep))]
