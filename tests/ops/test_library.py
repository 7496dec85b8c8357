"""The choice of a backend, and what is said about it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nsg_cluster.core.errors import MachineError
from nsg_cluster.ops import library
from nsg_cluster.ops.encode import spherical_harmonics
from tests.ops.conftest import needs_kernels

CHECKOUT = Path(__file__).resolve().parents[2]
DIRECTIONS = torch.tensor([[0.0, 0.0, 1.0]])


@pytest.fixture
def nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the compiled module is not installed."""
    monkeypatch.setattr(library, "_load", lambda: (None, "nsg_kernels is not installed"))
    library._say_once.cache_clear()


@pytest.mark.parametrize("wanted", ["auto", "torch"])
def test_without_kernels_ops_compute_with_the_definitions_and_say_so_once(
    nothing_compiled: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wanted: str
) -> None:
    monkeypatch.setenv("NSG_KERNELS", wanted)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert spherical_harmonics(DIRECTIONS, 1).item() == pytest.approx(0.2820948)
    said = ["computing with the plain PyTorch definitions, which are slower: nsg_kernels is not installed"]
    assert [record.getMessage() for record in caplog.records] == (said if wanted == "auto" else [])
    assert library.describe()["cpu"] == "torch"


def test_kernels_that_are_asked_for_and_missing_are_an_error(
    nothing_compiled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSG_KERNELS", "cpu")
    with pytest.raises(MachineError, match="NSG_KERNELS=cpu: nsg_kernels is not installed"):
        spherical_harmonics(DIRECTIONS, 1)


def test_an_unknown_choice_is_an_error_that_lists_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_KERNELS", "troch")
    with pytest.raises(MachineError, match=r"'troch' is not one of auto, torch, cpu, cuda\. Did you mean 'torch'\?"):
        spherical_harmonics(DIRECTIONS, 1)


def test_a_module_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nsg_kernels", SimpleNamespace(ABI=library.ABI + 1))  # type: ignore[arg-type]
    module, reason = library._load.__wrapped__()
    assert module is None
    assert "install it again" in reason


@needs_kernels
def test_float64_gets_the_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_KERNELS", "cpu")
    assert library.kernels(DIRECTIONS.double()) is None
    assert library.kernels(DIRECTIONS) is not None


@needs_kernels
def test_the_description_names_the_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_KERNELS", "auto")
    described = library.describe()
    assert described["cpu"].startswith("compiled (")
    assert described["choice"] == "auto"
    json.dumps(described)


PROBE = """
import sys, torch
from nsg_cluster.ops import encode, library, march, mlp, volume
generator = torch.Generator().manual_seed(0)
print(library.describe()["cpu"], file=sys.stderr)
layout = encode.HashGridLayout(levels=4, features=2, log2_table_size=8, base_resolution=4, max_resolution=40)
table = torch.rand(layout.num_entries, 2, generator=generator).requires_grad_()
points = torch.rand(777, 3, generator=generator)
weights = [torch.randn(9, 8, generator=generator), torch.randn(4, 9, generator=generator)]
origins = 3 * torch.nn.functional.normalize(torch.randn(50, 3, generator=generator), dim=1)
directions = torch.nn.functional.normalize(0.3 * torch.randn(50, 3, generator=generator) - origins, dim=1)
box = torch.tensor([[-1.0] * 3, [1.0] * 3])
occupied = march.pack_bits(torch.rand(32**3, generator=generator) < 0.1)
near, far = march.intersect_box(origins, directions, box)
samples = march.march_occupancy(
    origins, directions, near, far, occupied=occupied, resolution=32, cascades=1, box=box, step_min=0.01, step_max=0.1,
    cone_angle=0.01, jitter=None)
starts, ends, rays, offsets = samples
colors = torch.rand(len(starts), 3, generator=generator)
rendered = volume.composite(9 * colors[:, 0].contiguous(), colors, starts, ends, offsets)
output = mlp.mlp(encode.hash_encode(points, table, layout), weights)
output.square().sum().backward()
torch.save({"samples": samples, "numbers": [output.detach(), table.grad, *rendered]}, sys.argv[1])
"""


@needs_kernels
def test_every_instruction_set_keeps_the_same_samples_and_nearly_the_same_numbers(tmp_path: Path) -> None:
    """Each runs in a process of its own, like the definitions, from another folder and with the package on the path."""
    results = {}
    for name, choice in (("torch", "torch"), ("portable", "cpu"), ("avx2", "cpu"), ("avx512", "cpu")):
        env = {**os.environ, "PYTHONPATH": str(CHECKOUT), "NSG_KERNELS": choice, "NSG_INSTRUCTION_SET": name}
        if name == "torch":
            del env["NSG_INSTRUCTION_SET"]
        argv = [sys.executable, "-c", PROBE, str(tmp_path / name)]
        run = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        if run.returncode != 0 and "is none that was built here" in run.stderr:
            continue
        assert run.returncode == 0, run.stderr
        assert name == "torch" or f"compiled ({name})" in run.stderr
        results[name] = torch.load(tmp_path / name)
    assert {"torch", "portable"} <= set(results)
    for result in results.values():
        assert all(map(torch.equal, result["samples"], results["torch"]["samples"]))
        for found, wanted in zip(result["numbers"], results["torch"]["numbers"], strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
