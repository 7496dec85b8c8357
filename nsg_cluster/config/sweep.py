"""One experiment with a sweep to the ordered, named, hashed list of experiments that it stands for.

An *element* is one experiment of a sweep, a *choice* is the value that one dotted key takes in it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsg_cluster.config.merge import merged, nested, overlaid, split_key
from nsg_cluster.config.model_files import find_models
from nsg_cluster.config.parse import Mistake, Problem, dotted, mistakes, shortened, validated
from nsg_cluster.config.schema import Experiment, SweepConfig
from nsg_cluster.core.documents import KeyPath, YamlDocument
from nsg_cluster.core.errors import ConfigError, DataError

__all__ = ["expand", "spec_hash", "sweep_problems"]

MAX_ELEMENTS = 10_000
MAX_NAME = 64
# Names that everybody shortens so.
SHORT = {"learning_rate": "lr"}
PathProblem = tuple[KeyPath, str]


@dataclass(frozen=True, slots=True)
class _Choice:
    key: str
    value: Any
    written: KeyPath
    """Where the value stands in the document."""


_Element = tuple[_Choice, ...]


def expand(experiment: Experiment) -> tuple[Experiment, ...]:
    """Return the experiments of a sweep in order, each without a sweep and with a name of its own.

    An experiment without a sweep is returned alone, as it is.

    Raises:
        ConfigError: All mistakes of the sweep, one a line.
    """
    if experiment.sweep is None:
        return (experiment,)
    base = experiment.model_dump(mode="json", by_alias=True, exclude={"sweep"})
    experiments, problems = _expanded(base, experiment.sweep, frozenset())
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(text for _, text in problems)))
    return experiments


def sweep_problems(document: YamlDocument) -> list[Problem]:
    """Return what is wrong with the elements of a document's sweep, beside what is wrong with the document itself."""
    section = document.mapping.get("sweep")
    sweep = validated(SweepConfig, section) if isinstance(section, Mapping) else None
    if not isinstance(sweep, SweepConfig):
        return []
    base = {key: value for key, value in document.mapping.items() if key != "sweep"}
    result = validated(Experiment, base)
    known = frozenset() if isinstance(result, Experiment) else frozenset(mistakes(Experiment, base, result))
    if any(mistake.path == ("name",) for mistake in known):
        # Reported already; the names that would be made from it are not worth a line each.
        base["name"] = "experiment"
    return [(document.place(path), text) for path, text in _expanded(base, sweep, known)[1]]


def spec_hash(experiment: Experiment) -> str:
    """Return 12 hexadecimal digits that tell experiments apart, defaults included."""
    return _digest(experiment.model_dump(mode="json", by_alias=True), 12)


def _digest(value: Any, length: int) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]


def _expanded(
    base: dict[str, Any], sweep: SweepConfig, known: frozenset[Mistake]
) -> tuple[tuple[Experiment, ...], list[PathProblem]]:
    """Return the elements laid over a base, and what is wrong with them other than the known mistakes of the base."""
    problems = list(_shape_problems(sweep))
    if problems:
        return (), problems
    try:
        elements = list(_elements(sweep, base["name"]))
    except DataError as error:
        return (), [(("sweep", "models"), f"sweep.models: {error}")]
    experiments: list[Experiment] = []
    seen: dict[str, int] = {}
    for number, (element, name) in enumerate(zip(elements, _names(base["name"], elements), strict=True), start=1):
        mapping = merged(Experiment, base, {"name": name} | _overlay(element))
        result = validated(Experiment, mapping)
        if not isinstance(result, Experiment):
            new = (mistake for mistake in mistakes(Experiment, mapping, result) if mistake not in known)
            problems += [_blamed(mistake, element) for mistake in new]
            continue
        first = seen.setdefault(result.model_dump_json(exclude={"name"}), number)
        if first == number:
            experiments.append(result)
        else:
            text = f"sweep: element {number} ({_listed(element)}) is the same experiment as element {first}"
            problems.append((element[0].written, text))
    problems += [
        (("sweep",), f"sweep: {count} elements are called '{name}'; give each a name of its own")
        for name, count in Counter(found.name for found in experiments).items()
        if count > 1
    ]
    return tuple(experiments), problems


def _shape_problems(sweep: SweepConfig) -> Iterator[PathProblem]:
    """Yield what is wrong with a sweep before any of its values is looked at."""
    if sweep.models is not None:
        return
    form, table = _form(sweep)
    entries = table if isinstance(table, list) else [table]
    for index, entry in enumerate(entries):
        path: KeyPath = ("sweep", form, index) if isinstance(table, list) else ("sweep", form)
        for key in entry:
            if key.split(".")[0] in {"sweep", "extends"} or not all(key.split(".")):
                yield (*path, key), f"{dotted(path)}: '{key}' cannot vary; name a key such as train.steps or seed"
        if not entry:
            yield path, f"{dotted(path)}: is empty; name at least one key"
    if not entries:
        yield ("sweep", form), f"sweep.{form}: is empty; give at least one mapping of keys to values"
    if isinstance(table, list):
        num_elements = len(table)
    else:
        yield from (
            (("sweep", form, key), f"sweep.{form}: '{key}' has no values; give at least one")
            for key, values in table.items()
            if not values
        )
        lengths = {key: len(values) for key, values in table.items()}
        if form == "zip" and len(set(lengths.values())) > 1:
            counts = ", ".join(f"{key} has {count}" for key, count in lengths.items())
            yield ("sweep", form), f"sweep.zip: lists must be equally long, but {counts}"
        num_elements = math.prod(lengths.values()) if form == "grid" else max(lengths.values(), default=0)
    if num_elements > MAX_ELEMENTS:
        yield ("sweep", form), f"sweep.{form}: makes {num_elements} experiments; at most {MAX_ELEMENTS} are allowed"


def _form(sweep: SweepConfig) -> tuple[str, dict[str, list[Any]] | list[dict[str, Any]]]:
    if sweep.grid is not None:
        return "grid", sweep.grid
    if sweep.zipped is not None:
        return "zip", sweep.zipped
    return "list", sweep.listed or []


def _elements(sweep: SweepConfig, base: str) -> Iterator[_Element]:
    if sweep.models is not None:
        yield from _models(Path(sweep.models), base)
        return
    form, table = _form(sweep)
    if isinstance(table, list):
        for index, entry in enumerate(table):
            yield tuple(_Choice(key, value, ("sweep", form, index, key)) for key, value in entry.items())
        return
    columns = [
        [_Choice(key, value, ("sweep", form, key, index)) for index, value in enumerate(values)]
        for key, values in table.items()
    ]
    yield from itertools.product(*columns) if form == "grid" else zip(*columns, strict=True)


def _models(where: Path, base: str) -> Iterator[_Element]:
    """Yield an element for each 3D model, called as the model is."""
    written = ("sweep", "models")
    for model in find_models(where):
        choices = (_Choice("data.model", str(model.file), written), _Choice("data.name", model.name, written))
        name = f"{base}-{model.name}"
        yield *choices, _Choice("name", name if len(name) <= MAX_NAME else _hashed(name, choices), written)


def _overlay(element: _Element) -> dict[str, Any]:
    overlay: dict[str, Any] = {}
    for choice in element:
        overlay = overlaid(overlay, nested(split_key(Experiment, choice.key), choice.value))
    return overlay


def _blamed(mistake: Mistake, element: _Element) -> PathProblem:
    """Return a mistake of an element at the choice that is nearest to it."""

    def shared(choice: _Choice) -> int:
        pairs = zip(choice.key.split("."), mistake.path, strict=False)
        return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

    choice = max(element, key=shared)
    if shared(choice) == 0:
        return ("sweep",), mistake.text
    if mistake.kind == "extra_forbidden":
        # The key is wrong whatever its value.
        return choice.written[:-1] if choice.written[1] != "list" else choice.written, mistake.text
    if shared(choice) < len(choice.key.split(".")) or len(mistake.path) < len(choice.key.split(".")):
        # The choice breaks something beside itself: say in which element.
        return choice.written, f"{mistake.text} (with {_listed(element)})"
    return choice.written, mistake.text


def _listed(element: _Element) -> str:
    return ", ".join(f"{choice.key}={shortened(json.dumps(choice.value), 60)}" for choice in element)


def _names(base: str, elements: list[_Element]) -> list[str]:
    """Return a name for each element: safe in a path, at most 64 characters, the same each time."""
    labels = _labels({choice.key for element in elements for choice in element})
    names = [_name(base, element, labels) for element in elements]
    count = Counter(names)
    return [
        _hashed(name, element) if count[name] > 1 and not _given_name(element) else name
        for name, element in zip(names, elements, strict=True)
    ]


def _given_name(element: _Element) -> Any:
    return next((choice.value for choice in element if choice.key == "name"), None)


def _labels(keys: set[str]) -> dict[str, str]:
    """Return a short word for each key: its last part, or as many parts as tell it from the others."""
    labels = {}
    for key in keys:
        parts = key.split(".")
        for length in range(1, len(parts) + 1):
            tail = parts[-length:]
            if sum(other.split(".")[-length:] == tail for other in keys) == 1:
                break
        labels[key] = _safe("-".join(SHORT.get(part, part) for part in tail))
    return labels


def _name(base: str, element: _Element, labels: Mapping[str, str]) -> str:
    if (given := _given_name(element)) is not None:
        return given  # type: ignore[no-any-return] # whatever it is: the schema judges it
    words = [base]
    for choice in element:
        text = _value_word(choice.value)
        is_number = isinstance(choice.value, (int, float)) and not isinstance(choice.value, bool)
        words.append(f"{labels[choice.key]}{'' if is_number else '-'}{text}")
    name = "-".join(words)
    return name if len(name) <= MAX_NAME else _hashed(name, element)


def _hashed(name: str, element: _Element) -> str:
    digest = _digest({choice.key: choice.value for choice in element}, 10)
    return f"{name[: MAX_NAME - 11].rstrip('.-_')}-{digest}"


def _value_word(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value).replace("+", "")
    if isinstance(value, list):
        return "-".join(map(_value_word, value)) or "empty"
    if isinstance(value, Mapping):
        return _value_word(value["kind"]) if "kind" in value else _digest(value, 6)
    if isinstance(value, str):
        return _safe(value.rstrip("/").rpartition("/")[2]) or _digest(value, 6)
    return json.dumps(value)


def _safe(text: str) -> str:
    """Return a text with every character that a name may not hold replaced."""
    text = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)
    return re.sub(r"\.{2,}", ".", text).strip(".-_")
