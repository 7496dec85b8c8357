"""The labels of an image: `nsg_cluster.container.inspect`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.container.inspect import read_labels
from nsg_cluster.container.program import Program
from nsg_cluster.core.errors import MachineError

# As Apptainer 1.4 and SingularityCE 4 say it, and as older ones do.
NEW = '{"data": {"attributes": {"labels": {"a": "1", "nsg_cluster.architectures": "70;80"}}}, "type": "container"}'
OLD = '{"attributes": {"labels": {"a": "1", "nsg_cluster.architectures": "70;80"}}}'


def program(folder: Path, answer: str) -> Program:
    """Return a program that says something."""
    path = folder / "apptainer"
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return Program(path=str(path), flavor="apptainer", version=(1, 4))


@pytest.mark.parametrize("text", [NEW, OLD])
def test_labels_are_found_wherever_the_version_puts_them(tmp_path: Path, text: str) -> None:
    found = read_labels(program(tmp_path, f"echo '{text}'"), Path("a.sif"))
    assert found == {"a": "1", "nsg_cluster.architectures": "70;80"}


def test_an_image_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"a\.sif: an image is damaged or is none"):
        read_labels(program(tmp_path, "echo 'FATAL: image format not recognized' >&2; exit 255"), Path("a.sif"))
    with pytest.raises(MachineError, match=r"a\.sif: apptainer 1\.4 says nothing that can be read"):
        read_labels(program(tmp_path, "echo no JSON"), Path("a.sif"))
