"""The JSON Schemas with which editors complete and check YAML files, made from the models.

``python -m nsg_cluster.config.json_schema`` writes them into ``configs/``:

* ``experiment.schema.json``: an experiment; complete, or with ``extends`` and then any part of one;
* ``fragment.schema.json``: a part of an experiment, for ``extends``;
* ``site.schema.json``: a site.

They are of draft 7, which the YAML language server of the common editors knows best.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from nsg_cluster.config.schema import Experiment
from nsg_cluster.config.site import Site
from nsg_cluster.core.files import write_atomic
from nsg_cluster.core.logs import set_up

__all__ = ["schemas", "write"]

DRAFT = "http://json-schema.org/draft-07/schema#"
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
COMPLETE = "complete."
EXTENDS = {
    "description": "File that this one is laid over, or a list of them, relative to this one; later ones win.",
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return each schema by its file name."""
    generated = Experiment.model_json_schema(by_alias=True)
    partial = _translated(generated, None)
    partial["properties"] = {"extends": EXTENDS, **partial["properties"]}
    full = _translated(generated, _demanding(generated["$defs"]))
    experiment = {
        **partial,
        "if": {"not": {"required": ["extends"]}},
        "then": {"$ref": f"#/definitions/{COMPLETE}Experiment"},
        "definitions": {**partial["definitions"], **full.pop("definitions"), f"{COMPLETE}Experiment": full},
    }
    described = Site.model_json_schema(by_alias=True)
    site = _translated(described, _demanding(described["$defs"]))
    site["definitions"] = {**_translated(described, None)["definitions"], **site["definitions"]}
    return {
        "experiment.schema.json": {"$schema": DRAFT, "title": "nsg_cluster experiment", **experiment},
        "fragment.schema.json": {"$schema": DRAFT, "title": "Part of an nsg_cluster experiment", **partial},
        "site.schema.json": {"$schema": DRAFT, "title": "nsg_cluster site", **site},
    }


def _demanding(definitions: dict[str, Any]) -> frozenset[str]:
    """Return the sections that require a key, themselves or somewhere inside."""
    texts = {name: json.dumps(definition) for name, definition in definitions.items()}
    found = {name for name, definition in definitions.items() if _required(definition)}
    while more := {name for name in set(texts) - found if any(f'$defs/{inner}"' in texts[name] for inner in found)}:
        found |= more
    return frozenset(found)


def _required(section: dict[str, Any]) -> list[str]:
    """Return the keys that the parser wants in a section."""
    required = list(section.get("required", ()))
    if "const" in section.get("properties", {}).get("kind", {}) and "kind" not in required:
        # It wants the kind of a section that comes in several kinds, whether or not that has a default.
        required.insert(0, "kind")
    return required


def _translated(node: Any, demanding: frozenset[str] | None) -> Any:
    """Return a schema of pydantic in draft 7.

    Args:
        node: The schema, or a part of it.
        demanding: The sections of which a complete variant is referred to; ``None`` to require no key anywhere, as is
            right for a file that has parents.
    """
    if isinstance(node, list):
        return [_translated(item, demanding) for item in node]
    if not isinstance(node, dict):
        return node
    # Draft 7 has another word for the items of a tuple; a section without its kind may match several kinds.
    words: dict[str, str] = {"prefixItems": "items", "$defs": "definitions"} | (
        {"oneOf": "anyOf"} if demanding is None else {}
    )
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key == "$ref":
            name = value.rpartition("/")[2]
            result[key] = f"#/definitions/{COMPLETE if name in (demanding or ()) else ''}{name}"
        elif key in {"$defs", "properties"}:
            result[words.get(key) or key] = _translated_names(key, value, demanding)
        elif key not in {"title", "discriminator", "required"}:
            result[words.get(key) or key] = _translated(value, demanding)
    if demanding is not None and (required := _required(node)):
        result["required"] = required
    return result


def _translated_names(key: str, table: dict[str, Any], demanding: frozenset[str] | None) -> dict[str, Any]:
    """Return a table whose keys are names, not words of JSON Schema."""
    if key == "properties" or demanding is None:
        return {name: _translated(item, demanding) for name, item in table.items()}
    return {COMPLETE + name: _translated(table[name], demanding) for name in sorted(demanding)}


def write(folder: Path) -> list[Path]:
    """Write the schemas into a folder and return their paths.

    Raises:
        RunError: The folder cannot be written.
    """
    paths = []
    for name, schema in schemas().items():
        write_atomic(folder / name, json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
        paths.append(folder / name)
    return paths


if __name__ == "__main__":
    set_up()
    for written in write(Path(sys.argv[1]) if len(sys.argv) > 1 else CONFIGS):
        logging.getLogger("nsg_cluster.config.json_schema").info("wrote %s", written)
