"""Mapping to model, every mistake at once: ``file:line: path: what is wrong; what is allowed. Did you mean 'x'?``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nsg_cluster.config.schema import Experiment
from nsg_cluster.config.sections import all_keys, keys, kinds, models_at, path_of
from nsg_cluster.core.documents import KeyPath, Place, YamlDocument
from nsg_cluster.core.errors import ConfigError, did_you_mean
from nsg_cluster.core.logs import printable

__all__ = ["Mistake", "dotted", "mistakes", "parse", "parse_experiment", "shortened", "validated"]

M = TypeVar("M", bound=BaseModel)
Problem = tuple[Place, str]

# What each kind of pydantic's errors asks for, in words.
WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a section of 'key: value' lines",
    "model_type": "a section of 'key: value' lines",
    "model_attributes_type": "a section of 'key: value' lines",
    "finite_number": "a finite number",
}
BOUNDS = {"greater_than_equal": "ge", "greater_than": "gt", "less_than_equal": "le", "less_than": "lt"}
BOUND_WORDS = {"ge": "at least", "gt": "greater than", "le": "at most", "lt": "less than"}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong in a mapping."""

    path: KeyPath
    text: str
    kind: str
    """What pydantic calls this kind of mistake."""


def parse_experiment(document: YamlDocument, problems: Iterable[Problem] = ()) -> Experiment:
    """Return the experiment that a document describes.

    Args:
        document: Mapping and places.
        problems: Mistakes found earlier, which are reported together with those found here.

    Raises:
        ConfigError: All mistakes, one a line.
    """
    return parse(Experiment, document, problems)


def parse(model: type[M], document: YamlDocument, problems: Iterable[Problem] = ()) -> M:
    """Return the model that a document describes.

    Raises:
        ConfigError: All mistakes, one a line.
    """
    found = list(problems)
    result = validated(model, document.mapping)
    if isinstance(result, ValidationError):
        # Where an unknown tag or variable stands, the type of what was left in its place says nothing more.
        reported = {(place, text.partition(": ")[0]) for place, text in found}
        for mistake in mistakes(model, document.mapping, result):
            place = document.place(mistake.path)
            if (place, dotted(mistake.path)) not in reported:
                found.append((place, mistake.text))
    _raise(found, document)
    assert isinstance(result, model)  # otherwise there were problems
    return result


def _raise(problems: list[Problem], document: YamlDocument) -> None:
    """Raise one error that holds all problems, file by file in the order of lines; return if there are none.

    Raises:
        ConfigError: There is a problem.
    """
    if not problems:
        return
    # The file itself comes first, then those that it extends; overrides, which have no line, come last.
    places = [document.place(()), *document.places.values(), *(place for place, _ in problems)]
    order = {source: number for number, source in enumerate(dict.fromkeys(place.source for place in places))}
    found = sorted(
        dict.fromkeys(problems), key=lambda found: (not found[0].line, order[found[0].source], found[0].line)
    )
    raise ConfigError("\n".join(f"{place}: {text}" for place, text in found))


def validated(model: type[M], mapping: Mapping[str, Any]) -> M | ValidationError:
    """Return the model of a mapping, or what pydantic found wrong.

    Validation is strict (no number from a text, no whole number from a truth value) in the sense of JSON, where a
    list may become a tuple.
    """
    try:
        return model.model_validate_json(json.dumps(mapping), strict=True)
    except ValidationError as error:
        return error


def mistakes(model: type[BaseModel], mapping: Mapping[str, Any], error: ValidationError) -> list[Mistake]:
    """Return what is wrong with a mapping, in our words."""
    found: list[Mistake] = []
    for details in error.errors(include_url=False):
        path, kind = path_of(model, mapping, details["loc"]), details["type"]
        if kind == "value_error":
            # A rule of the schema about several fields; each line is a sentence that begins with the field to blame.
            for sentence in str(details["ctx"]["error"]).splitlines():
                field = sentence.split(" ", 1)[0]
                section = keys(models_at(model, mapping, path))
                found.append(_mistake((*path, field) if field in section else path, sentence, kind))
        elif kind.startswith("union_tag"):
            found.append(_mistake((*path, "kind"), _wrong_kind(model, mapping, (*path, "kind")), kind))
        elif kind == "extra_forbidden":
            found.append(_mistake(path, _unknown_key(model, mapping, path), kind))
        elif kind == "missing":
            found.append(_mistake(path, f"is missing{_purpose(model, mapping, path)}", kind))
        else:
            found.append(_mistake(path, _wrong_value(model, mapping, path, details), kind))
    return found


def _mistake(path: KeyPath, text: str, kind: str) -> Mistake:
    return Mistake(path, f"{dotted(path)}: {text}" if path else text, kind)


def dotted(path: KeyPath) -> str:
    """Return a path as people write it."""
    return ".".join(shortened(printable(str(part)), 80) for part in path)


def _wrong_kind(model: type[BaseModel], mapping: Mapping[str, Any], path: KeyPath) -> str:
    allowed = list(kinds(models_at(model, {}, path[:-1])))
    section: Any = mapping
    for key in path[:-1]:
        section = section[key]
    if "kind" not in section:
        return f"is missing; allowed: {', '.join(allowed)}"
    found = section["kind"]
    return f"{_quoted(found)} is not one of {', '.join(allowed)}.{did_you_mean(str(found), allowed)}"


def _unknown_key(model: type[BaseModel], mapping: Mapping[str, Any], path: KeyPath) -> str:
    key = str(path[-1])
    allowed = keys(models_at(model, mapping, path[:-1]))
    # The right word in the wrong section is nearer than another word that looks alike.
    elsewhere = all_keys(model).get(key)
    near = f" Did you mean '{elsewhere[0]}'?" if elsewhere else did_you_mean(key, allowed)
    return f"unknown key; allowed: {', '.join(allowed)}.{near}"


def _purpose(model: type[BaseModel], mapping: Mapping[str, Any], path: KeyPath) -> str:
    """Return what a missing key is for, from its description in the schema."""
    if below := kinds(models_at(model, {}, path)):
        return f"; write a section with kind: {' or '.join(below)}"
    if path[-1] == "kind":
        return f"; allowed: {', '.join(kinds(models_at(model, {}, path[:-1])))}"
    for section in models_at(model, mapping, path[:-1]):
        for name, field in section.model_fields.items():
            if (field.alias or name) == path[-1] and field.description:
                words = field.description.splitlines()[0].replace("``", "")
                return f"; {words[0].lower()}{words[1:]}"
    return ""


def _wrong_value(model: type[BaseModel], mapping: Mapping[str, Any], path: KeyPath, details: ErrorDetails) -> str:
    kind, found, context = details["type"], details["input"], details.get("ctx", {})
    if kind in BOUNDS:
        return f"{_quoted(found)} is out of range; it must be {_range(model, mapping, path, kind, context)}"
    if kind == "literal_error":
        allowed = [part.strip("'") for part in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{_quoted(found)} is not one of {', '.join(allowed)}.{did_you_mean(str(found), allowed)}"
    if kind in {"too_long", "too_short"}:
        limit = f"at most {context['max_length']}" if kind == "too_long" else f"at least {context['min_length']}"
        return f"has {context['actual_length']} values; it must have {limit}"
    if kind in {"string_pattern_mismatch", "string_too_long", "string_too_short"}:
        return f"{_quoted(found)} is not allowed{_purpose(model, mapping, path)}"
    if kind in WANTED:
        return f"must be {WANTED[kind]}, not {_described(found)}{_quotes_hint(kind, found)}"
    return f"{_quoted(found)} is not allowed: {details['msg']}"


def _quotes_hint(kind: str, found: Any) -> str:
    if kind != "string_type" or not isinstance(found, (bool, int, float)):
        return ""
    words = "; yes, no, on, off, true and false are truth values unless in quotes"
    return words if isinstance(found, bool) else "; put quotes around it"


def _range(
    model: type[BaseModel], mapping: Mapping[str, Any], path: KeyPath, kind: str, context: Mapping[str, Any]
) -> str:
    """Return both limits of a number where the schema has both, otherwise the one that was broken."""
    limits = {BOUNDS[kind]: context[BOUNDS[kind]]}
    for section in models_at(model, mapping, path[:-1]):
        for name, field in section.model_fields.items():
            if (field.alias or name) == path[-1]:
                for limit in field.metadata:
                    limits |= {sign: getattr(limit, sign) for sign in BOUND_WORDS if hasattr(limit, sign)}
    return " and ".join(f"{BOUND_WORDS[sign]} {limits[sign]}" for sign in BOUND_WORDS if sign in limits)


def _quoted(value: Any) -> str:
    """Return a value as it is written in YAML, shortened."""
    if isinstance(value, str):
        return f"'{shortened(printable(value), 60)}'"
    return shortened(printable(json.dumps(value, ensure_ascii=False)), 60)


def shortened(text: str, length: int) -> str:
    """Return a text, its end replaced by ``…`` where it is longer than that."""
    return text if len(text) <= length else f"{text[:length]}…"


def _described(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {_quoted(value)}"
    if isinstance(value, list):
        return f"the list {_quoted(value)}"
    if isinstance(value, Mapping):
        return f"the mapping {_quoted(value)}"
    return _quoted(value)
