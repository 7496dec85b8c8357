"""The settings of a street from a command line: ``key=value``, as in the section ``data`` of an experiment."""

from __future__ import annotations

from collections.abc import Sequence

from nsg_cluster.config.driving import StreetData
from nsg_cluster.config.parse import Problem, parse
from nsg_cluster.core.documents import KeyPath, Place, YamlDocument, read_yaml_value
from nsg_cluster.core.errors import ConfigError

__all__ = ["parse_street"]


def parse_street(settings: Sequence[str]) -> StreetData:
    """Return the street that settings such as ``cars=6`` and ``move={1: [0, 0, 1.5]}`` describe.

    Raises:
        ConfigError: All mistakes, one a line.
    """
    mapping: dict[str, object] = {"kind": "street"}
    places: dict[KeyPath, Place] = {(): Place("settings")}
    problems: list[Problem] = []
    for setting in settings:
        key, equals, text = setting.partition("=")
        source = f"setting '{setting}'"
        places[key,] = Place(source)
        if not equals or not key:
            problems.append((Place(source), "write key=value, such as cars=6"))
            continue
        try:
            mapping[key] = read_yaml_value(text, source)[0]
        except ConfigError as error:
            problems.append((Place(source), str(error)))
    return parse(StreetData, YamlDocument(mapping, places), problems)
