"""The committed definitions are those that the Dockerfiles give."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.container.committed import NAMES, definitions

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", NAMES.values())
def test_the_committed_definitions_are_those_of_the_dockerfiles(name: str) -> None:
    assert (CHECKOUT / "singularity" / name).read_text() == definitions()[name], "run: make definitions"


def test_every_dockerfile_has_a_definition() -> None:
    # The base of this one is an image of ours, which a definition that is built by hand would look for on a registry.
    assert {path.name for path in (CHECKOUT / "docker").glob("Dockerfile*")} - {"Dockerfile.render"} == set(NAMES)
    assert {path.name for path in (CHECKOUT / "singularity").glob("*.def")} == set(NAMES.values())
