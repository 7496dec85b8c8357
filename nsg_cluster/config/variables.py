"""``${storage}`` and ``${env:NAME}`` in the texts of a configuration; ``$$`` stands for one dollar sign."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from nsg_cluster.core.documents import KeyPath, Place, YamlDocument
from nsg_cluster.core.errors import did_you_mean
from nsg_cluster.core.logs import printable

__all__ = ["escaped", "substituted"]

VARIABLE = re.compile(r"\$(?:(\$)|\{([^}]*)\}|(\{))")


def escaped(value: Any) -> Any:
    """Return a value whose texts `substituted` gives back unchanged."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return value


def substituted(
    document: YamlDocument, variables: Mapping[str, str], problems: list[tuple[Place, str]]
) -> YamlDocument:
    """Return a document with its variables replaced; unknown ones and texts that no file can hold become problems."""

    def walk(value: Any, path: KeyPath) -> Any:
        if isinstance(value, Mapping):
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        try:
            return _checked(VARIABLE.sub(lambda match: _replacement(match, variables), value))
        except ValueError as error:
            problems.append((document.place(path), f"{'.'.join(map(str, path))}: {error}"))
            return value

    return YamlDocument(walk(document.mapping, ()), document.places)


def _replacement(match: re.Match[str], variables: Mapping[str, str]) -> str:
    """Return what stands for one variable.

    Raises:
        ValueError: There is no such variable.
    """
    dollar, name, unclosed = match.groups()
    if dollar:
        return "$"
    if unclosed:
        raise ValueError("'${' without '}'; write $$ for a dollar sign")
    if name in variables:
        return variables[name]
    if name.startswith("env:"):
        if (value := os.environ.get(name[4:])) is not None:
            return value
        raise ValueError(f"the environment variable '{printable(name[4:])}' is not set; set it or write the value here")
    allowed = [*variables, "env:NAME"]
    near = did_you_mean(name, variables)
    raise ValueError(
        f"unknown variable '{printable(name)}'; allowed: {', '.join(allowed)}, $$ for a dollar sign.{near}"
    )


def _checked(text: str) -> str:
    """Return a text that can stand in a file name and in a UTF-8 file.

    Raises:
        ValueError: It cannot.
    """
    if "\0" in text:
        raise ValueError("holds a NUL character, which no name or path can")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds bytes that are not UTF-8; rename the file or write the text in UTF-8") from None
    return text
