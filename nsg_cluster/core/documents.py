"""YAML with line positions: plain mappings, lists and scalars, and the line of every one of them.

Scalars are read as people mean them. Where YAML 1.1 (and PyYAML) would surprise, this differs:

==========  ==================  =========================
written     YAML 1.1            here
==========  ==================  =========================
``1e-3``    text                the number 0.001
``1e5``     text                the whole number 100000
``1:30:00`` 5400 (base 60)      text
``007``     7 (base 8)          text
``010``     8 (base 8)          text
2026-11-21  a date              text
``on: 1``   the key ``True``    the key ``on``
==========  ==================  =========================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nsg_cluster.core.errors import ConfigError, did_you_mean
from nsg_cluster.core.logs import printable

__all__ = ["KeyPath", "Place", "YamlDocument", "dump_yaml", "near_file", "read_yaml", "read_yaml_value", "shown"]

KeyPath = tuple[str | int, ...]
MAX_BYTES = 1 << 20
MAX_NODES = 50_000
MAX_DEPTH = 48
TAG = "tag:yaml.org,2002:"
EXPONENT = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$")
# Decimal without a leading zero, hexadecimal, binary: what `int` understands and nobody misreads.
WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0b[01_]+)$")
FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?$")
EXACT_WHOLE = 2.0**53


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # chosen at run time
    """Composes nodes; libyaml's parser where PyYAML was built with it, which is ten times as fast."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc] # chosen at run time
    """Writes values so that `_Loader` reads them back: texts such as ``1e-3`` are quoted."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write a value out wherever it stands, however often."""
        return True


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(f"{TAG}float", EXPONENT, list("-+0123456789."))


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something was written: a file and its line, or (without a line) an override."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        """Return ``file:line`` as compilers and editors write it."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A mapping and the place of every value in it, keyed by the path of keys and list indices that leads there."""

    mapping: dict[str, Any]
    places: Mapping[KeyPath, Place]

    def place(self, path: KeyPath) -> Place:
        """Return the place of a path, or of the nearest part of the document that holds it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path]


def shown(path: Path | str) -> str:
    """Return a path for a message, control characters escaped."""
    return printable(str(path))


def read_yaml(path: Path | str, *, problems: list[tuple[Place, str]] | None = None) -> YamlDocument:
    """Read a file that holds one YAML mapping.

    Args:
        path: The file.
        problems: Where given, mistakes after which reading can go on (keys given twice, unknown tags) are added to it.

    Raises:
        ConfigError: The file cannot be read, is not YAML, does not hold one mapping or, without ``problems``, has any
            other mistake.
    """
    source = shown(path)
    reader = _Reader(source)
    node = _compose(_read_text(Path(path), source), source)
    if node is None:
        raise ConfigError(f"{source}: is empty; write 'key: value' lines")
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "one value"
        raise ConfigError(
            f"{source}:{node.start_mark.line + 1}: holds {kind}; write 'key: value' lines at the top level"
        )
    mapping = reader.value(node, ())
    if problems is not None:
        problems += reader.problems
    elif reader.problems:
        raise ConfigError("\n".join(f"{place}: {text}" for place, text in reader.problems))
    return YamlDocument(mapping, reader.places)


def read_yaml_value(text: str, source: str) -> tuple[Any, dict[KeyPath, Place], bool]:
    """Read a value that stands alone, such as that of an override.

    Returns:
        The value, the paths within it, and whether it is a plain scalar (not quoted, no list, no mapping).

    Raises:
        ConfigError: The text is not YAML.
    """
    node = _compose(text, source, lines=False)
    if node is None:
        return None, {(): Place(source)}, True
    reader = _Reader(source, lines=False)
    value = reader.value(node, ())
    if reader.problems:
        raise ConfigError("\n".join(f"{place}: {text}" for place, text in reader.problems))
    return value, reader.places, isinstance(node, yaml.ScalarNode) and not node.style


def _read_text(path: Path, source: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{source}: no such file.{near_file(path)}") from None
    except IsADirectoryError:
        raise ConfigError(f"{source}: is a folder; name a YAML file in it") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{source}: is larger than {MAX_BYTES >> 20} MiB; that is not a configuration")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{source}:{line}: is not text in UTF-8 (byte {data[error.start]:#04x}); save the file as UTF-8"
        ) from None
    if "\0" in text:
        raise ConfigError(f"{source}: is a binary file; name a YAML file")
    return text


def near_file(path: Path) -> str:
    """Return ``" Did you mean 'x'?"`` for the file of the same folder with the nearest name, or an empty string."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    near = did_you_mean(path.name, names)
    return near.replace("'", f"'{shown(path.parent)}/", 1) if near and path.parent != Path() else near


def _compose(text: str, source: str, *, lines: bool = True) -> yaml.Node | None:
    """Parse one document to nodes.

    Raises:
        ConfigError: The text is not YAML, is nested too deep, or holds several documents.
    """
    try:
        _check_depth(text, source)
        return yaml.compose(text, _Loader)  # type: ignore[no-any-return] # untyped library
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or yaml.Mark(source, 0, 0, 0, None, 0)
        place = Place(source, mark.line + 1 if lines else 0)
        if error.context == "expected a single document in the stream":
            raise ConfigError(f"{place}: a second document begins here; keep one document a file") from None
        said = printable(", ".join(part for part in (error.context, error.problem) if part))
        before = text.splitlines()[mark.line : mark.line + 1] or [""]
        hint = "; indent with spaces, not with tabs" if "\t" in before[0][: mark.column + 1] else ""
        raise ConfigError(f"{place}: is not valid YAML: {said}{hint}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: is not valid YAML: {printable(str(error))}") from None


def _check_depth(text: str, source: str) -> None:
    """Refuse deep nesting before nodes are made: libyaml's composer calls itself for each level until the stack ends.

    Raises:
        ConfigError: The text is nested deeper than any configuration.
    """
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"{source}: is nested more than {MAX_DEPTH} levels deep")


class _Reader:
    """Turns nodes into values, and notes their places and what is wrong with them."""

    def __init__(self, source: str, *, lines: bool = True) -> None:
        self.source = source
        self.lines = lines
        self.places: dict[KeyPath, Place] = {}
        self.problems: list[tuple[Place, str]] = []
        self._open: set[int] = set()
        self._num_nodes = 0

    def value(self, node: yaml.Node, path: KeyPath, place: Place | None = None) -> Any:
        """Return the value of a node, aliases expanded.

        Raises:
            ConfigError: Aliases lead in a circle, or the document is larger or deeper than any configuration.
        """
        place = place or self._place(node)
        self.places[path] = place
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES:
            raise ConfigError(f"{place}: has more than {MAX_NODES} values once its aliases are expanded")
        if id(node) in self._open:
            raise ConfigError(f"{place}: {_dotted(path)}: an alias that holds itself")
        if len(path) > MAX_DEPTH:  # by aliases
            raise ConfigError(f"{place}: is nested more than {MAX_DEPTH} levels deep")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        plain = f"{TAG}map" if isinstance(node, yaml.MappingNode) else f"{TAG}seq"
        if node.tag not in {plain, "!"}:
            self._refuse_tag(node, path)
        if isinstance(node, yaml.MappingNode):
            value: Any = self._mapping(node, path)
        else:
            value = [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        self._open.discard(id(node))
        return value

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.source, node.start_mark.line + 1 if self.lines else 0)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        first: dict[str, Place] = {}
        merged: list[yaml.Node] = []
        for key, item in node.value:
            place = self._place(key)
            if key.tag == f"{TAG}merge":
                merged += item.value if isinstance(item, yaml.SequenceNode) else [item]
                continue
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append((place, f"{_dotted(path)}: a key must be a word, not a list or a mapping"))
                continue
            name = key.value
            if name in first:
                text = f"{_dotted((*path, name))}: the key is given twice, first in line {first[name].line}"
                self.problems.append((place, text if self.lines else text.partition(", first")[0]))
            first.setdefault(name, place)
            mapping[name] = self.value(item, (*path, name), place)
        for source in merged:
            for name, value in self._merged(source, path):
                mapping.setdefault(name, value)
        return mapping

    def _merged(self, node: yaml.Node, path: KeyPath) -> Iterator[tuple[str, Any]]:
        """Yield what ``<<: *anchor`` brings into a mapping; the mapping's own keys keep their places."""
        if not isinstance(node, yaml.MappingNode):
            self.problems.append((self._place(node), f"{_dotted((*path, '<<'))}: must name a mapping"))
            return
        own = dict(self.places)
        brought = self.value(node, path)
        self.places |= own
        yield from brought.items()

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        tag = node.tag.removeprefix(TAG)
        if tag in TEXT_TAGS:
            return node.value
        if tag not in SCALARS:
            self._refuse_tag(node, path)
            return node.value
        try:
            return SCALARS[tag](node.value)
        except (KeyError, ValueError):
            self.problems.append((self._place(node), f"{_dotted(path)}: '{printable(node.value[:40])}' is no {tag}"))
            return None

    def _refuse_tag(self, node: yaml.Node, path: KeyPath) -> None:
        tag = printable(node.tag.replace(TAG, "!!"))
        self.problems.append((self._place(node), f"{_dotted(path)}: the tag {tag} is not allowed; write plain values"))


def _whole(text: str) -> int | str:
    return int(text.replace("_", ""), 0) if WHOLE.match(text) else text


def _number(text: str) -> float | int | str:
    """Return a number with a point or an exponent; whole numbers written with an exponent become ``int``."""
    plain = text.replace("_", "").lower()
    if plain.lstrip("+-") in {".inf", ".nan"}:
        return float(plain.replace(".", ""))
    if not (EXPONENT.match(text) or FLOAT.match(text)):
        return text
    number = float(plain)
    if "e" in plain and number.is_integer() and abs(number) < EXACT_WHOLE:
        return int(number)
    return number


TEXT_TAGS = {"str", "!", "timestamp", "value", "merge"}
SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: yaml.SafeLoader.bool_values[text.lower()],
    "int": _whole,
    "float": _number,
}


def _dotted(path: KeyPath) -> str:
    return ".".join(printable(str(part)) for part in path) or "the document"


def dump_yaml(mapping: Mapping[str, Any]) -> str:
    """Return a mapping as YAML, keys in their order, which `read_yaml` reads back equal."""
    return str(yaml.dump(dict(mapping), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
