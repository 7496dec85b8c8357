"""Laying one mapping over another: sections merge, everything else is replaced, and a new kind starts a new section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from nsg_cluster.config.sections import is_table, kinds, models_at
from nsg_cluster.core.documents import KeyPath, YamlDocument

__all__ = ["merged", "merged_documents", "nested", "overlaid", "split_key"]


def merged(
    model: type[BaseModel], below: Mapping[str, Any], above: Mapping[str, Any], path: KeyPath = ()
) -> dict[str, Any]:
    """Return ``below`` with ``above`` laid over it.

    Mappings merge key by key; lists and scalars are replaced. A section whose ``kind`` changes keeps nothing of the
    other kind, whose keys would mean nothing there.
    """
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        inner = (*path, key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and not _is_other_kind(model, old, value, inner):
            result[key] = merged(model, old, value, inner)
        else:
            result[key] = value
    return result


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``below`` with ``above`` laid over it, both of one layer: a ``kind`` is a key like any other."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            result[key] = overlaid(old, value)
        else:
            result[key] = value
    return result


def _is_other_kind(model: type[BaseModel], old: Mapping[str, Any], new: Mapping[str, Any], path: KeyPath) -> bool:
    if "kind" not in new or "kind" not in old:
        return False
    return new["kind"] != old["kind"] and bool(kinds(models_at(model, {}, path)))


def merged_documents(model: type[BaseModel], below: YamlDocument, above: YamlDocument) -> YamlDocument:
    """Return a document laid over another; each value keeps the place where it was written."""
    return YamlDocument(merged(model, below.mapping, above.mapping), {**below.places, **above.places})


def split_key(model: type[BaseModel], dotted: str) -> tuple[str, ...]:
    """Return the path of a dotted key; below a table such as ``sweep.grid`` the rest is one key."""
    parts = dotted.split(".")
    for length in range(1, len(parts)):
        if is_table(models_at(model, {}, tuple(parts[: length - 1])), parts[length - 1]):
            return (*parts[:length], ".".join(parts[length:]))
    return tuple(parts)


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return the mapping of mappings that holds a value at a path."""
    for key in reversed(path):
        value = {key: value}
    return value  # type: ignore[no-any-return] # a path has at least one key
