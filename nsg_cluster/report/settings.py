"""What is particular about an experiment: the settings that differ from their defaults, and between experiments.

A setting is named by its dotted path, such as ``train.optimizer.learning_rate``; a list is one value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

__all__ = ["ABSENT", "Change", "changes", "differing", "flattened"]

ABSENT = "\N{EN DASH}"
"""Stands where there is nothing to show."""


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that is not at its default."""

    value: Any
    default: Any
    """`ABSENT` where the schema has none: everybody has to give this setting."""


def flattened(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the settings of nested mappings, by their dotted paths."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def changes(model: BaseModel, prefix: str = "") -> dict[str, Change]:
    """Return the settings of a section, and of those inside it, that are not at their defaults."""
    found: dict[str, Change] = {}
    for name, field in type(model).model_fields.items():
        value, path = getattr(model, name), f"{prefix}{field.alias or name}"
        if isinstance(value, BaseModel):
            found |= changes(value, f"{path}.")
        elif field.is_required():
            found[path] = Change(_plain(value), ABSENT)
        elif value != field.get_default(call_default_factory=True):
            found[path] = Change(_plain(value), _plain(field.default))
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def differing(flats: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the dotted paths whose values are not the same in all `flattened` mappings, the first to appear first."""
    paths = dict.fromkeys(path for flat in flats for path in flat)
    return [path for path in paths if any(flat.get(path, ABSENT) != flats[0].get(path, ABSENT) for flat in flats)]
