"""Who runs this process."""

from __future__ import annotations

import getpass
import os

import pytest

from nsg_cluster.core.user import image_here, user_name


def test_a_user_has_a_name_or_else_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "me")
    assert user_name() == "me"

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert user_name() == str(os.getuid())


def test_the_image_is_the_one_that_the_container_program_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        monkeypatch.delenv(name, raising=False)
    assert image_here() is None
    monkeypatch.setenv("SINGULARITY_CONTAINER", "/images/a.sif")
    assert image_here() == "/images/a.sif"
