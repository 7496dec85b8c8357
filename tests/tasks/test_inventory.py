"""What a Python has: `nsg_cluster.tasks.inventory`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nsg_cluster.tasks import inventory


def test_it_says_what_is_there_and_whether_a_tiny_training_works(tmp_path: Path) -> None:
    # tiny-cuda-nn asks for a device when it is imported, which this one would tell.
    (tmp_path / "tinycudann_bindings").mkdir()
    for name in ("_70_C.cpython-311-x86_64-linux-gnu.so", "_90_C.abi3.so", "unrelated.so"):
        (tmp_path / "tinycudann_bindings" / name).touch()
    (tmp_path / "tinycudann.py").write_text("raise SystemExit('imported without a device')\n")
    metadata = tmp_path / "tinycudann-2.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tinycudann\nVersion: 2.0\n")
    here = str(Path(inventory.__file__).resolve().parents[2])
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{here}", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "nsg_cluster.tasks.inventory"], env=env, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["errors"] == [] and found["devices"] == []
    assert found["packages"]["tinycudann"] == "2.0" and found["packages"]["torch"]
    assert found["architectures"]["tinycudann"] == [70, 90]
    assert found["package"] == f"{here}/nsg_cluster" and found["kernels"]["choice"] == "auto"


def test_a_training_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_KERNELS", "cuda")
    monkeypatch.setitem(inventory.TINY["train"], "device", "cuda")  # type: ignore[arg-type]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (sentence,) = inventory.take()["errors"]
    assert sentence.startswith("a tiny training fails: ")
