"""Which Blender is used, and what is said where there is none."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from nsg_cluster.core.errors import MachineError
from nsg_cluster.objects import program as program_module
from nsg_cluster.objects.program import find_blender


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Blender; returns the one folder of its PATH."""
    monkeypatch.delenv("NSG_BLENDER", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    monkeypatch.setattr(program_module, "MADE", tmp_path / "checkout" / ".venv-render")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_without_any_blender_it_is_said_how_to_get_each(bare: Path) -> None:
    with pytest.raises(MachineError) as caught:
        find_blender()
    for words in ("make render", "'blender' program of version 4.2 or newer", "NSG_BLENDER", "3.11"):
        assert words in str(caught.value)


def test_a_blender_on_path_is_used_and_the_environment_beside_this_one_goes_before(bare: Path) -> None:
    program(bare / "blender")
    found = find_blender()
    assert (found.program, found.is_python) == (bare / "blender", False)
    command = found.command(Path("/tmp/job.json"))
    assert command[command.index("--python") + 2 :] == ["--", "/tmp/job.json"]
    for neighbor in (bare.parent / "checkout" / ".venv-render", bare.parent / "env-render"):
        (neighbor / "lib" / "python3.11" / "site-packages" / "bpy").mkdir(parents=True)
        found = find_blender()
        assert (found.program, found.is_python) == (neighbor / "bin" / "python", True)
    assert found.command(Path("/tmp/job.json"))[1] == "-I"


def test_the_variable_names_a_python_or_a_program_and_goes_first(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / "blender")
    for name, is_python in (("python3.11", True), ("blender-4.5", False)):
        monkeypatch.setenv("NSG_BLENDER", str(program(bare.parent / "opt" / name)))
        assert (find_blender().program.name, find_blender().is_python) == (name, is_python)
    monkeypatch.setenv("NSG_BLENDER", "/nowhere/blender")
    with pytest.raises(MachineError, match="NSG_BLENDER is '/nowhere/blender': there is no such program"):
        find_blender()
