"""A Dockerfile's text as instructions: directives, continuations, comments, heredocs, flags, JSON forms, line numbers.

spython's own reader (``DockerParser``) takes one line for one instruction and loses all of these, so it is not used for
reading; what it then does with instructions is taken up in `nsg_cluster.container.stages`. The rules are those of
Docker's BuildKit. Words are not expanded here, see `nsg_cluster.container.words`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from nsg_cluster.core.errors import ContainerError, did_you_mean

__all__ = ["Dockerfile", "Heredoc", "Instruction", "Mistakes", "parse", "read_dockerfile", "split_words"]

COPY_FLAGS = ("chown", "chmod", "link", "exclude")
FLAGS: dict[str, tuple[str, ...]] = {
    "ADD": (*COPY_FLAGS, "checksum", "keep-git-dir", "unpack"),
    "ARG": (),
    "CMD": (),
    "COPY": (*COPY_FLAGS, "from", "parents"),
    "ENTRYPOINT": (),
    "ENV": (),
    "EXPOSE": (),
    "FROM": ("platform",),
    "HEALTHCHECK": ("interval", "timeout", "start-period", "start-interval", "retries"),
    "LABEL": (),
    "MAINTAINER": (),
    "ONBUILD": (),
    "RUN": ("mount", "network", "security", "device"),
    "SHELL": (),
    "STOPSIGNAL": (),
    "USER": (),
    "VOLUME": (),
    "WORKDIR": (),
}
"""Every instruction, and the flags that each takes."""
WITH_HEREDOCS = ("ADD", "COPY", "RUN")
DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
HEREDOC = re.compile(r"(\d*)<<(-?)([^<]+)$")
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """Text between ``<<NAME`` and ``NAME``."""

    name: str
    text: str
    expands: bool
    """Whether variables in it are replaced: the name was not quoted."""
    cuts_tabs: bool
    """Whether tabs at the start of its lines are taken away: ``<<-NAME``."""

    @property
    def content(self) -> str:
        """Its text, tabs taken away."""
        return re.sub(r"^\t+", "", self.text, flags=re.MULTILINE) if self.cuts_tabs else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction, its continuations joined."""

    line: int
    """Number of its first line, from 1."""
    keyword: str
    """In capitals."""
    text: str
    """What follows the keyword and the flags."""
    flags: tuple[tuple[str, str], ...] = ()
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def shown(self) -> str:
        """Its first line, as it was written."""
        flags = [f"--{name}={value}" if value else f"--{name}" for name, value in self.flags]
        return " ".join([self.keyword, *flags, *self.text.splitlines()[:1]])

    @property
    def items(self) -> list[str] | None:
        """The strings of the JSON form, ``["a", "b"]``; ``None`` where the text is no such list."""
        if not self.text.startswith("["):
            return None
        try:
            found = json.loads(self.text)
        except ValueError:
            return None
        return found if isinstance(found, list) and all(isinstance(item, str) for item in found) else None

    def flag(self, name: str) -> str | None:
        """Return a flag's value, the last one where it is repeated; ``None`` where it is absent."""
        return dict(self.flags).get(name)

    def all_flags(self, name: str) -> list[str]:
        """Return the values of a flag that may be repeated."""
        return [value for key, value in self.flags if key == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A Dockerfile as instructions."""

    path: Path
    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    notes: tuple[tuple[int, str], ...] = ()
    """Oddities of the text that are harmless: line and sentence."""


@dataclass(slots=True)
class Mistakes:
    """What is wrong with a file, gathered so that all is said at once."""

    path: Path
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, sentence: str) -> None:
        """Note a mistake."""
        self.found.append((line, sentence))

    def raise_any(self) -> None:
        """Raise all that was noted.

        Raises:
            ContainerError: There is something.
        """
        if self.found:
            raise ContainerError("\n".join(f"{self.path}:{line}: {what}" for line, what in sorted(set(self.found))))


def read_dockerfile(path: Path) -> Dockerfile:
    """Read a Dockerfile.

    Raises:
        ContainerError: It cannot be read or is no Dockerfile; each mistake has its line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ContainerError(f"{path}: cannot be read: {error.strerror}") from None
    return parse(content, path)


def parse(content: bytes, path: Path) -> Dockerfile:
    """Return the instructions of a Dockerfile's content; ``path`` is for messages.

    Raises:
        ContainerError: It is no Dockerfile; each mistake has its line.
    """
    reader = _Reader(content, path)
    instructions = reader.read()
    if not instructions and not reader.mistakes.found:
        reader.mistakes.add(1, "holds no instruction; a Dockerfile begins with FROM")
    reader.mistakes.raise_any()
    return Dockerfile(path=path, instructions=tuple(instructions), escape=reader.escape, notes=tuple(reader.notes))


class _Reader:
    def __init__(self, content: bytes, path: Path) -> None:
        self.mistakes = Mistakes(path)
        self.notes: list[tuple[int, str]] = []
        self.escape = "\\"
        self.lines = self._decode(content)
        self.next = 0

    def _decode(self, content: bytes) -> list[str]:
        if content.startswith(BOM):
            content = content.removeprefix(BOM)
            self.notes.append((1, "begins with a byte order mark, which is left out"))
        for number, line in enumerate(content.split(b"\n"), 1):
            try:
                text = line.decode()
            except UnicodeDecodeError:
                text = "\0"
            if "\0" in text:
                self.mistakes.add(number, "is not text: a Dockerfile is UTF-8 with no zero bytes")
                self.mistakes.raise_any()
        if b"\r\n" in content:
            number = content.split(b"\r\n")[0].count(b"\n") + 1
            self.notes.append((number, "ends with CR LF, as Windows writes it: read as LF, but kept inside heredocs"))
        return content.decode().split("\n")

    def read(self) -> list[Instruction]:
        self._read_directives()
        found = []
        while self.next < len(self.lines):
            line = self.lines[self.next].strip()
            self.next += 1
            if line and not line.startswith("#"):
                instruction = self._instruction(line)
                found += [instruction] if instruction else []
        return found

    def _read_directives(self) -> None:
        while self.next < len(self.lines) and (match := DIRECTIVE.match(self.lines[self.next].strip())):
            self.next += 1
            name, value = match[1].lower(), match[2]
            if name == "escape" and value not in {"\\", "`"}:
                self.mistakes.add(self.next, f"the escape character is a backslash or a backtick, not '{value}'")
            elif name == "escape":
                self.escape = value
            elif name not in {"syntax", "check"}:
                return

    def _instruction(self, first: str) -> Instruction | None:
        number = self.next
        text, goes_on = self._cut(first)
        while goes_on and self.next < len(self.lines):
            line = self.lines[self.next].rstrip("\r")
            self.next += 1
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            part, goes_on = self._cut(line)
            text += part
        keyword, rest = [*text.strip().split(None, 1), ""][:2]
        if keyword.upper() not in FLAGS:
            near = did_you_mean(keyword.upper(), FLAGS)
            self.mistakes.add(number, f"unknown instruction '{keyword}'; allowed: {', '.join(FLAGS)}.{near}")
            return None
        return self._finish(keyword.upper(), rest.strip(), number)

    def _cut(self, line: str) -> tuple[str, bool]:
        """Cut the escape character off a line's end; whether it was there, and the line goes on."""
        stripped = line.rstrip(" \t\r")
        escape = self.escape
        if stripped.endswith(escape) and not stripped.endswith(escape * 2):
            return stripped[:-1], True
        return line, False

    def _finish(self, keyword: str, text: str, number: int) -> Instruction | None:
        flags, text = self._flags(keyword, text, number)
        if not text and keyword != "CMD":
            self.mistakes.add(number, f"{keyword} says nothing; write what follows it")
            return None
        instruction = Instruction(line=number, keyword=keyword, text=text, flags=flags)
        owner = text.split(None, 1)[0].upper() if keyword == "ONBUILD" else keyword
        if owner not in WITH_HEREDOCS or "<<" not in text or instruction.items is not None:
            return instruction
        openings = [opened for word in split_words(text, self.escape) if (opened := _opening(word))]
        return replace(instruction, heredocs=tuple(self._heredoc(number, opened) for opened in openings))

    def _flags(self, keyword: str, text: str, number: int) -> tuple[tuple[tuple[str, str], ...], str]:
        flags = []
        while text.startswith("--"):
            words = split_words(text, self.escape)
            text = text[len(words[0]) :].lstrip()
            if words[0] == "--":
                break
            name, _, value = words[0].removeprefix("--").partition("=")
            if name not in FLAGS[keyword]:
                allowed = ", ".join(f"--{flag}" for flag in FLAGS[keyword]) or "none"
                near = did_you_mean(name, FLAGS[keyword])
                self.mistakes.add(number, f"{keyword} has no flag '--{name}'; allowed: {allowed}.{near}")
            flags.append((name, re.sub("[\"']", "", value)))
        return tuple(flags), text

    def _heredoc(self, number: int, opened: Heredoc) -> Heredoc:
        content: list[str] = []
        while self.next < len(self.lines):
            line = self.lines[self.next]
            self.next += 1
            if (line.lstrip("\t") if opened.cuts_tabs else line).rstrip("\r") == opened.name:
                return replace(opened, text="".join(content))
            content.append(line + "\n")
        self.mistakes.add(
            number, f"the heredoc '{opened.name}' does not end: a line with {opened.name} alone is missing"
        )
        return opened


def _opening(word: str) -> Heredoc | None:
    """Return the heredoc that a word opens, its text still missing."""
    match = HEREDOC.match(word)
    if not match:
        return None
    name = re.sub("[\"'\\\\]", "", match[3])
    return Heredoc(name=name, text="", expands=name == match[3], cuts_tabs=bool(match[2]))


def split_words(text: str, escape: str) -> list[str]:
    """Split at white space outside quotes; quotes and escapes stay in the words."""
    words, word, quote, position = [], "", "", 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == escape and quote != "'" and position < len(text):
            word += char + text[position]
            position += 1
        elif not quote and char.isspace():
            words += [word] if word else []
            word = ""
        else:
            if char in "\"'" and quote in {"", char}:
                quote = "" if quote else char
            word += char
    return [*words, word] if word else words
