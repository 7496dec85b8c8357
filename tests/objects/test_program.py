"""Which Blender is used, and what is said where there is none."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.objects import program as program_module
from nsg_cluster.objects.program import find_blender, made_here
from nsg_cluster.runs.command import PACKAGE, keep_source


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Blender; returns the one folder of its PATH."""
    monkeypatch.delenv("NSG_BLENDER", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    monkeypatch.setattr(program_module, "PACKAGES", tmp_path / "checkout")
    monkeypatch.delenv("APPTAINER_CONTAINER", raising=False)
    monkeypatch.delenv("SINGULARITY_CONTAINER", raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def program(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def library(environment: Path, version: str = "5.0.1") -> Path:
    """Make an environment that has ``bpy``, and return its Python."""
    packages = environment / "lib" / "python3.11" / "site-packages"
    for name in ("bpy", f"bpy-{version}.dist-info"):
        (packages / name).mkdir(parents=True, exist_ok=True)
    return program(environment / "bin" / "python")


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
        library(neighbor)
        found = find_blender()
        assert (found.program, found.is_python, found.version) == (neighbor / "bin" / "python", True, "5.0.1")
    assert str(found) == f"bpy 5.0.1 of {bare.parent}/env-render/bin/python"
    assert found.command(Path("/tmp/job.json"))[1] == "-I"


def test_an_environment_that_this_user_may_not_run_is_passed_over(bare: Path) -> None:
    # As of a checkout of somebody else, whose Python lies in a closed home.
    library(bare.parent / "env-render").chmod(0o644)
    on_path = program(bare / "blender", "echo Blender 4.2.1")
    assert find_blender().program == on_path


def test_the_variable_names_a_python_or_a_program_and_goes_first(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / "blender")
    for name, is_python in (("python3.11", True), ("blender-4.5", False)):
        monkeypatch.setenv("NSG_BLENDER", str(program(bare.parent / "opt" / name)))
        assert (find_blender().program.name, find_blender().is_python) == (name, is_python)
    monkeypatch.setenv("NSG_BLENDER", "/nowhere/blender")
    with pytest.raises(MachineError, match="NSG_BLENDER is '/nowhere/blender': there is no such program"):
        find_blender()


def test_a_task_that_runs_a_copy_of_the_package_finds_what_lies_in_the_checkout(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunPaths(tmp_path / "run")
    keep_source(run)
    monkeypatch.setattr(program_module, "PACKAGES", run.source)
    assert made_here() == PACKAGE.parent / ".venv-render"
    run.checkout.write_bytes(bytes(tmp_path / "my\ncheckout"))
    python = library(tmp_path / "my\ncheckout" / ".venv-render")
    assert find_blender().program == python


def test_an_image_has_its_own_blender_or_none_and_the_fix_is_an_image_that_has(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library(bare.parent / "checkout" / ".venv-render")
    assert find_blender().is_python
    monkeypatch.setenv("APPTAINER_CONTAINER", "/images/cpu.sif")
    with pytest.raises(MachineError, match=r"no Blender in the image /images/cpu\.sif: .* docker/Dockerfile\.render"):
        find_blender()
    inside = library(bare.parent / "env-render")
    assert find_blender().program == inside


def test_a_blender_that_is_too_old_is_passed_over_or_told(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = program(bare / "blender", "echo 'Blender 2.90.0'")
    with pytest.raises(
        MachineError, match=rf"^Blender 2\.90\.0 at {old} is too old: 4\.2 or newer is needed; there is"
    ):
        find_blender()
    monkeypatch.setenv("NSG_BLENDER", str(old))
    with pytest.raises(MachineError, match=r"^NSG_BLENDER is '.*/blender', Blender 2\.90\.0: 4\.2 or newer is needed$"):
        find_blender()
    monkeypatch.delenv("NSG_BLENDER")
    library(bare.parent / "env-render", "4.1.0")
    newest = library(bare.parent / "checkout" / ".venv-render", "4.2.0")
    assert find_blender().program == newest
