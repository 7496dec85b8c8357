"""Convert a Dockerfile that is given as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.container.definition import Definition, convert
from nsg_cluster.core.errors import ContainerError

FILES = {"a.txt": "a", "b.txt": "b", "src/x.py": "x"}


def converted(folder: Path, text: str, **options: object) -> Definition:
    """Return what becomes of a Dockerfile in a context that holds `FILES`."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    (folder / "Dockerfile").write_text(text)
    return convert(folder / "Dockerfile", context=folder, **options)  # type: ignore[arg-type]


def refusal(folder: Path, text: str, **options: object) -> str:
    """Return what is said of a Dockerfile that is refused, without the folder's name."""
    with pytest.raises(ContainerError) as caught:
        converted(folder, text, **options)
    return str(caught.value).replace(f"{folder}/", "")
