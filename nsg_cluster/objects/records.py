"""What the views of a folder are of: the content of ``objects.json``, and what tells it from what is wanted now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsg_cluster.config.model_files import model_file
from nsg_cluster.config.objects import NOT_OF_THE_VIEWS, ObjectsData
from nsg_cluster.core.errors import DataError, RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.logs import printable
from nsg_cluster.core.paths import ObjectPaths
from nsg_cluster.objects.sources import sources_of

__all__ = ["Record", "age_notes", "describe", "difference", "read_record", "state_note"]

Record = dict[str, Any]
# Counts up when the same model with the same settings comes to look otherwise.
RENDERING = 1


def describe(data: ObjectsData, source: Path) -> Record:
    """Return what tells one data set from another: every file that its model consists of, and the settings.

    Raises:
        DataError: The model cannot be read.
    """
    return {
        "model": str(source),
        "sources": [[file.name, file.digest] for file in sources_of(source)],
        "settings": data.model_dump(mode="json", exclude=NOT_OF_THE_VIEWS | {"model"}),
        "rendering": RENDERING,
    }


def read_record(paths: ObjectPaths) -> Record | None:
    """Return the record of a folder, an empty one where it is damaged, ``None`` where there is none."""
    if not paths.record.exists():
        return None
    try:
        found = read_json(paths.record)
    except RunError:
        return {}
    return found if isinstance(found, dict) else {}


def difference(found: Record, wanted: Record, paths: ObjectPaths) -> str | None:
    """Return what the views of a folder are of instead of what is wanted; ``None`` where they are the same."""
    if not isinstance(found.get("settings"), dict):
        return f"what cannot be told: {paths.record.name} is damaged"
    changed = _of_the_model(found, wanted, paths)
    if changed or found["settings"] != wanted["settings"]:
        return changed or f"other settings ({_changed_settings(found['settings'], wanted['settings'])})"
    if found.get("complete") or _rendering(found) == wanted["rendering"]:
        return None
    return "another version of nsg_cluster, which renders in another way, and not all of them are there"


def state_note(data: ObjectsData) -> str | None:
    """Return what there is to say of views that are of something else than a run would render by now."""
    paths = ObjectPaths(data.folder)
    try:
        other = difference(read_record(paths) or {}, describe(data, model_file(Path(data.model))), paths)
    except DataError as error:
        return str(error)
    return other and f"these are views of {other}: 'launch.py data render-objects … --again' replaces them"


def age_notes(found: Record, wanted: Record) -> list[str]:
    """Return what there is to say of views that are kept although they were rendered by another version."""
    notes = []
    if "sources" not in found and len(wanted["sources"]) > 1:
        notes.append(
            "rendered by a version that did not note materials and textures; they are kept, for none of these files is "
            "newer than the views"
        )
    if _rendering(found) != wanted["rendering"]:
        notes.append("rendered by another version, whose pictures may look otherwise; --again renders them anew")
    return notes


def _rendering(found: Record) -> int:
    return int(found.get("rendering", 1))


def _of_the_model(found: Record, wanted: Record, paths: ObjectPaths) -> str | None:
    now = [(str(name), str(digest)) for name, digest in wanted["sources"]]
    before = _sources(found)
    if before is None:
        return _since(found, wanted["model"], now, paths)
    # Names are no matter: the folder of a model can be moved.
    if [digest for _, digest in before] == [digest for _, digest in now]:
        return None
    if before[:1] != now[:1] and found.get("model") != wanted["model"]:
        return f"another model, {printable(str(found.get('model')))}"
    return f"an older state of this model: {_changed_files(dict(before), dict(now))}"


def _sources(found: Record) -> list[tuple[str, str]] | None:
    """Return the files that a record names; ``None`` where it is of a version that noted the model's own alone."""
    try:
        return [(str(name), str(digest)) for name, digest in found["sources"]]
    except (KeyError, TypeError, ValueError):
        return None


def _since(found: Record, model: str, now: list[tuple[str, str]], paths: ObjectPaths) -> str | None:
    """Compare the model's own file by its bytes, and the others by their times."""
    if found.get("digest") != now[0][1]:
        return f"another model, or an older state of this one ({printable(now[0][0])} has changed)"
    rendered = paths.record.stat().st_mtime
    newer = [name for name, _ in now[1:] if Path(model).parent.joinpath(name).stat().st_mtime > rendered]
    if not newer:
        return None
    return (
        f"an older state of this model, for all that is known: '{printable(newer[0])}' is newer than they are, and the "
        f"version of nsg_cluster that rendered them did not note what it held"
    )


def _changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    told = [f"'{name}' has changed" for name in now if name in before and before[name] != now[name]]
    told += [f"'{name}' was not there" for name in now if name not in before]
    told += [f"'{name}' is gone" for name in before if name not in now]
    shown = ", ".join(map(printable, told[:3])) or "its files come in another order"
    return f"{shown}{f' and {len(told) - 3} more files' if len(told) > 3 else ''}"


def _changed_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} was {before.get(key)!r}" for key, value in after.items() if before.get(key) != value)
