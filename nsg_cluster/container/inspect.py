"""What an image says of itself: its labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nsg_cluster.container.failure import explain
from nsg_cluster.container.program import Program
from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.process import run

__all__ = ["read_labels"]

TIMEOUT_S = 120.0


def read_labels(program: Program, image: Path) -> dict[str, str]:
    """Return the labels of an image.

    Raises:
        MachineError: It cannot be read.
    """
    answer = run([program.path, "inspect", "--json", "--labels", str(image)], timeout_s=TIMEOUT_S)
    if answer.status != 0:
        raise MachineError(f"{image}: {explain(answer.err)}")
    try:
        return dict(_labels(json.loads(answer.out)))
    except ValueError:
        raise MachineError(f"{image}: {program} says nothing that can be read about it") from None


def _labels(document: Any) -> Iterator[tuple[str, str]]:
    """Yield the labels, wherever the version of the program puts them."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "labels" and isinstance(value, dict):
                yield from ((str(name), str(text)) for name, text in value.items())
            else:
                yield from _labels(value)
