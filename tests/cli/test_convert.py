"""``image convert``: the definition on standard output, what is lost on standard error, or both as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nsg_cluster.cli import command

DOCKERFILE = "FROM debian:bookworm-slim\nARG V=1\nRUN echo $V\nEXPOSE 80\n"


@pytest.fixture
def dockerfile(tmp_path: Path) -> str:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return str(tmp_path / "Dockerfile")


def test_the_definition_is_printed_apart_from_what_is_lost(dockerfile: str) -> None:
    done = CliRunner().invoke(command, ["image", "convert", dockerfile, "--build-arg", "V=2"])
    assert done.exit_code == 0
    assert done.stderr.startswith(f"{dockerfile}:4: lost: EXPOSE: ")
    assert "From: debian:bookworm-slim\n" in done.stdout
    assert "export V=2\n" in done.stdout


def test_scripts_get_one_json_document(dockerfile: str) -> None:
    document = json.loads(CliRunner().invoke(command, ["image", "convert", dockerfile, "--json"]).stdout)
    assert document["images"] == ["debian:bookworm-slim"]
    assert [(loss["line"], loss["kind"]) for loss in document["losses"]] == [(4, "lost")]
    assert document["definition"].count("Bootstrap: docker") == 1
