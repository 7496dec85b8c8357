"""What the schema allows at a path: the sections, their keys and kinds.

A *section* is a mapping that a model describes. Where a section comes in several kinds (``data``, ``model``), the
value of its key ``kind`` chooses among models; until then every key of any of them is possible.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from nsg_cluster.core.documents import KeyPath

__all__ = ["all_keys", "below", "is_table", "keys", "kinds", "models_at", "path_of"]

Models = tuple[type[BaseModel], ...]


def kinds(models: Models) -> dict[str, type[BaseModel]]:
    """Return the models that a fixed ``kind`` chooses, by that kind; empty for a section of one kind only."""
    found = {}
    for model in models:
        field = model.model_fields.get("kind")
        values = get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()
        if len(values) == 1:
            found[str(values[0])] = model
    return found


@cache
def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Return the annotation of each field by its name in YAML."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def keys(models: Models) -> list[str]:
    """Return the keys of a section, in the order of the schema."""
    return list(dict.fromkeys(key for model in models for key in _fields(model)))


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, or the annotation itself."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in {Union, types.UnionType}:
        for member in get_args(annotation):
            yield from _alternatives(member)
    else:
        yield annotation


@cache
def below(models: Models, key: str) -> Models:
    """Return the models of the section under a key, none where it holds something else."""
    annotations = [fields[key] for fields in map(_fields, models) if key in fields]
    members = dict.fromkeys(member for annotation in annotations for member in _alternatives(annotation))
    return tuple(member for member in members if _is_model(member))


def is_table(models: Models, key: str) -> bool:
    """Return whether a key holds a mapping whose keys are the user's own, such as ``sweep.grid``."""
    annotations = [fields[key] for fields in map(_fields, models) if key in fields]
    return any(get_origin(member) is dict for annotation in annotations for member in _alternatives(annotation))


def models_at(model: type[BaseModel], mapping: Mapping[str, Any], path: KeyPath) -> Models:
    """Return the models that may describe the section at a path, narrowed by the kinds that a mapping names."""
    models: Models = (model,)
    here: Any = mapping
    for key in path:
        here = _at(here, key)
        models = narrowed(_inside(models, key), here)
    return models


def _at(here: Any, key: str | int) -> Any:
    """Return what stands under a key or a number of a list, or nothing."""
    if isinstance(here, Mapping):
        return here.get(key)
    return here[key] if isinstance(here, list) and isinstance(key, int) and key < len(here) else None


def _inside(models: Models, key: str | int) -> Models:
    """Return the models under a key, where it holds a list those of its elements; under a number the models stay."""
    if isinstance(key, int):
        return models
    annotations = [fields[key] for fields in map(_fields, models) if key in fields]
    members = [member for annotation in annotations for member in _alternatives(annotation)]
    elements = [get_args(member)[0] for member in members if get_origin(member) is tuple]
    found = dict.fromkeys(element for element in elements if _is_model(element))
    return below(models, key) or tuple(found)


def _is_model(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, BaseModel)


def narrowed(models: Models, section: Any) -> Models:
    """Return the one model that the section's ``kind`` chooses; all of them where it chooses none."""
    chosen = kinds(models).get(str(section.get("kind"))) if isinstance(section, Mapping) else None
    return (chosen,) if chosen else models


def path_of(model: type[BaseModel], mapping: Mapping[str, Any], location: KeyPath) -> KeyPath:
    """Return the path of keys for an error location of pydantic, which also names kinds of sections and types."""
    path: KeyPath = ()
    models: Models = (model,)
    here: Any = mapping
    for part in location:
        if len(models) > 1 and part in kinds(models):
            models = (kinds(models)[str(part)],)
            continue
        # Inside of a value, which has no keys, it is a name for one of the types that are allowed.
        is_type = isinstance(part, str) and not models and not isinstance(here, (Mapping, types.NoneType))
        if part == "[key]" or is_type:
            continue
        path = (*path, part)
        models = _inside(models, part)
        here = _at(here, part)
    return path


def all_keys(model: type[BaseModel]) -> dict[str, list[str]]:
    """Return every key of the schema with the dotted paths at which it stands."""
    found: dict[str, list[str]] = {}
    waiting: list[tuple[str, Models]] = [("", (model,))]
    while waiting:
        prefix, models = waiting.pop(0)
        for key in keys(models):
            found.setdefault(key, []).append(prefix + key)
            if inner := below(models, key):
                waiting.append((f"{prefix}{key}.", inner))
    return found
