"""Which container program a machine has: `nsg_cluster.container.program`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.container.program import find_program, parse_version
from nsg_cluster.core.errors import MachineError


@pytest.mark.parametrize(
    ("text", "shown", "setting", "passed", "builds"),
    [
        ("apptainer version 1.4.5", "apptainer 1.4.5", "APPTAINER_TMPDIR", "APPTAINERENV_A", False),
        ("apptainer version 1.3.0-1.el9", "apptainer 1.3.0", "APPTAINER_TMPDIR", "APPTAINERENV_A", False),
        ("singularity-ce version 4.1.5-1.el9", "singularity-ce 4.1.5", "SINGULARITY_TMPDIR", "SINGULARITYENV_A", True),
        ("singularity-ce version 3.11.4", "singularity-ce 3.11.4", "SINGULARITY_TMPDIR", "SINGULARITYENV_A", False),
        ("SingularityPRO version 4.1.7-1.el9", "singularitypro 4.1.7", "SINGULARITY_TMPDIR", "SINGULARITYENV_A", True),
        ("singularity version 3.8.7\n", "singularity 3.8.7", "SINGULARITY_TMPDIR", "SINGULARITYENV_A", False),
    ],
)
def test_a_program_is_known_by_what_it_says_and_not_by_its_name(
    text: str, shown: str, setting: str, passed: str, builds: bool
) -> None:
    program = parse_version("/usr/bin/singularity", text)
    assert program is not None
    assert (str(program), program.setting("TMPDIR"), program.passed("A")) == (shown, setting, passed)
    assert program.builds_dockerfiles == builds


def fake(folder: Path, name: str, answer: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
    (folder / name).chmod(0o755)


def test_a_machine_without_any_is_told_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match=r"no program 'apptainer' or 'singularity' on PATH: load the site's module"):
        find_program()
    fake(tmp_path, "singularity", "echo singularity-ce version 4.3.3")
    assert str(find_program()) == "singularity-ce 4.3.3"
    fake(tmp_path, "apptainer", "echo apptainer version 1.4.5")
    assert str(find_program()) == "apptainer 1.4.5"


def test_a_program_of_the_same_name_that_is_something_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    # A game of that name is in Debian.
    fake(tmp_path, "singularity", "echo Endgame: Singularity 1.00")
    with pytest.raises(MachineError, match=r"says 'Endgame: Singularity 1\.00', which is neither Apptainer nor"):
        find_program()
