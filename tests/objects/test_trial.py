"""Whether the Blender that is here works is found out by a rendering: `nsg_cluster.objects.trial`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.objects.trial import try_blender
from tests.objects.shapes import blender_or_skip


def test_a_blender_that_renders_is_well() -> None:
    blender = blender_or_skip()
    assert try_blender() == {"found": str(blender), "error": ""}


def test_a_blender_that_does_not_start_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "blender"
    program.write_text("#!/bin/sh\necho 'libGL.so.1: cannot open shared object file' >&2\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setenv("NSG_BLENDER", str(program))
    told = try_blender()
    assert told["found"] == f"Blender at {program}"
    assert "Blender failed (exit status 127); it said:\n  libGL.so.1: cannot open" in told["error"]


def test_where_there_is_none_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_BLENDER", "/nowhere/blender")
    assert try_blender() == {"found": "", "error": "NSG_BLENDER is '/nowhere/blender': there is no such program"}
