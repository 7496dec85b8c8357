"""``view``: a run in the browser, until Control-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import IO, Any

import pytest

from tests.cli.test_cli import LAUNCH, check_mistake, launch
from tests.contract.terminal import started_at_a_terminal
from tests.training.tiny import TINY

pytest.importorskip("viser", reason="viser is not installed: pip install 'nsg-cluster[view]'")


def document_of(stream: IO[str]) -> dict[str, Any]:
    """Return the JSON document that a program prints and goes on."""
    lines = [next(stream)]
    while lines[-1] != "}\n":
        lines.append(next(stream))
    document: dict[str, Any] = json.loads("".join(lines))
    return document


def test_a_run_is_served_until_control_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_STORAGE", str(tmp_path))
    check_mistake(launch("view", "@last"), "no run")
    file = tmp_path / "tiny.yaml"
    file.write_text(json.dumps(TINY | {"stages": ["train"], "train": TINY["train"] | {"steps": 3}}))
    trained = launch("train", file, "--json")
    assert trained.returncode == 0, trained.stderr
    argv = [*LAUNCH, "view", file, "--json", "--port", "8700"]
    process = started_at_a_terminal(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout
        found = document_of(process.stdout)
        assert found["step"] == 3 and found["id"] == json.loads(trained.stdout)["id"]
        with urllib.request.urlopen(found["url"], timeout=60) as answer:
            assert answer.status == 200 and b"<html" in answer.read()
        assert found["tunnel"].startswith("ssh -N -L ")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
