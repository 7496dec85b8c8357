"""A YAML file, the files that it extends and the overrides of the command line, made one experiment; and back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from nsg_cluster.config.merge import merged_documents, nested, overlaid, split_key
from nsg_cluster.config.parse import Problem, mistakes, parse_experiment, shortened, validated
from nsg_cluster.config.schema import Experiment
from nsg_cluster.config.sweep import sweep_problems
from nsg_cluster.config.variables import escaped, substituted
from nsg_cluster.core.documents import (
    KeyPath,
    Place,
    YamlDocument,
    dump_yaml,
    near_file,
    read_yaml,
    read_yaml_value,
    shown,
)
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.files import absolute_path
from nsg_cluster.core.logs import printable

__all__ = ["dump", "load"]


def load(path: Path | str, overrides: Sequence[str] = (), *, variables: Mapping[str, str]) -> Experiment:
    """Read an experiment.

    Args:
        path: A YAML file; the files that its ``extends`` names are read first and lie below it.
        overrides: ``dotted.key=value``, laid over the files in this order.
        variables: Values of ``${name}`` in texts, such as ``{"storage": "/groups/me"}``.

    Raises:
        ConfigError: All mistakes, one a line.
    """
    problems: list[Problem] = []
    document = _read(Path(path), problems, ())
    document, raw = _overridden(document, overrides, problems)
    document = substituted(document, variables, problems)
    document = _retyped(document, raw)
    return parse_experiment(document, [*problems, *sweep_problems(document)])


def dump(experiment: Experiment) -> str:
    """Return an experiment as YAML that `load` reads back equal: complete, every default written out."""
    mapping = escaped(experiment.model_dump(mode="json", by_alias=True, exclude_none=False))
    return "".join(_dumped(json.dumps({key: value}, ensure_ascii=False)) for key, value in mapping.items())


@lru_cache(maxsize=256)
def _dumped(section: str) -> str:
    """Return one section, given as JSON, as YAML: the elements of a sweep share most of them."""
    return dump_yaml(json.loads(section))


def _read(path: Path, problems: list[Problem], children: tuple[Path, ...]) -> YamlDocument:
    """Return a file laid over everything that it extends.

    Args:
        path: The file.
        problems: Mistakes after which reading can go on are added to it.
        children: The files whose ``extends`` led here, the first one first.

    Raises:
        ConfigError: A file cannot be read, or they extend each other in a circle.
    """
    document = read_yaml(path, problems=problems)
    parents = document.mapping.pop("extends", None)
    below: YamlDocument | None = None
    for index, parent in enumerate(_parents(parents, document, problems)):
        place = document.place(("extends", index))
        target = _target(path, parent, place, (*children, path))
        layer = _read(target, problems, (*children, path))
        below = merged_documents(Experiment, below, layer) if below else layer
    return merged_documents(Experiment, below, document) if below else document


def _parents(value: Any, document: YamlDocument, problems: list[Problem]) -> list[str]:
    found = [value] if isinstance(value, str) else value
    if found is None and "extends" not in {path[0] for path in document.places if path}:
        return []
    if isinstance(found, list) and all(isinstance(item, str) and item for item in found):
        return found
    problems.append((document.place(("extends",)), "extends: must be the path of a YAML file or a list of paths"))
    return []


def _target(path: Path, parent: str, place: Place, chain: tuple[Path, ...]) -> Path:
    """Return the file that an ``extends`` names, relative to the file that holds it.

    Raises:
        ConfigError: There is no such file, or it is among those that led here.
    """
    # Normalized for messages only where that names the same file: '..' after a link may not.
    target = path.parent / (absolute_path(parent) if parent.startswith("~") else parent)
    normal = Path(os.path.normpath(target))
    if normal.exists() and target.exists() and normal.samefile(target):
        target = normal
    if not target.exists():
        raise ConfigError(f"{place}: extends: no such file '{shown(target)}'.{near_file(target)}")
    for number, earlier in enumerate(chain):
        if earlier.samefile(target):
            circle = " → ".join(shown(file) for file in (*chain[number:], target))
            raise ConfigError(f"{place}: extends: files extend each other in a circle: {circle}")
    return target


def _overridden(
    document: YamlDocument, overrides: Sequence[str], problems: list[Problem]
) -> tuple[YamlDocument, dict[KeyPath, str]]:
    """Return a document with overrides laid over it, and the texts of those whose value is no text."""
    raw: dict[KeyPath, str] = {}
    layer: dict[str, Any] = {}
    places: dict[KeyPath, Place] = {}
    for override in overrides:
        source = f"override '{shortened(printable(override), 80)}'"
        key, equals, text = override.partition("=")
        if override != override.encode(errors="ignore").decode():
            problems.append((Place(source), "is not text in UTF-8; rename the file or write the text in UTF-8"))
            continue
        if not equals or not all(key.split(".")):
            problems.append((Place(source), "write dotted.key=value, such as train.steps=100"))
            continue
        if key == "extends":
            problems.append((Place(source), "extends: belongs in a file; name the file itself on the command line"))
            continue
        path = split_key(Experiment, key)
        value, inner = _override_value(text, source)
        raw.pop(path, None)
        if not isinstance(value, str):
            raw[path] = text
        layer = overlaid(layer, nested(path, value))
        places |= {(*path, *part): place for part, place in inner.items()}
        # A section that only the override opens has no other place.
        places |= {path[:size]: Place(source) for size in range(1, len(path)) if path[:size] not in document.places}
    return merged_documents(Experiment, document, YamlDocument(layer, places)), raw


def _override_value(text: str, source: str) -> tuple[Any, dict[KeyPath, Place]]:
    """Return the value of an override, typed like one in a file; what is no YAML is a text."""
    try:
        value, places, plain = read_yaml_value(text, source)
    except ConfigError:
        return text, {(): Place(source)}
    # A plain text is taken whole: in a file ' #' would begin a comment.
    return (text, places) if plain and isinstance(value, str) else (value, places)


def _retyped(document: YamlDocument, raw: Mapping[KeyPath, str]) -> YamlDocument:
    """Return a document in which overrides are texts where the schema wants texts: ``name=007`` is a name."""
    result = validated(Experiment, document.mapping) if raw else None
    if result is None or isinstance(result, Experiment):
        return document
    for mistake in mistakes(Experiment, document.mapping, result):
        if mistake.kind == "string_type" and mistake.path in raw:
            layer = YamlDocument(nested(tuple(map(str, mistake.path)), raw[mistake.path]), {})
            document = merged_documents(Experiment, document, layer)
    return document
