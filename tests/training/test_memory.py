"""The memory that a training takes, beside what was estimated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.config.memory import estimate_memory
from nsg_cluster.config.schema import Experiment
from tests.training.tiny import TINY, tiny

CHECKOUT = Path(__file__).resolve().parents[2]

# Prints the largest growth of the process while it takes a few steps, after a training that loads all there is to load.
PROGRAM = """
import json, sys
from pathlib import Path
import torch
from nsg_cluster.config.schema import Experiment
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.training.state import new_state
from nsg_cluster.training.step import take_step

def peak(document, steps):
    experiment, cpu = Experiment.model_validate(document), torch.device("cpu")
    scene = load_scene(experiment.data)
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    state, batches = new_state(experiment, scene, cpu), RayBatches(scene.train, cpu)
    for _ in range(steps):
        take_step(experiment, batches, state)
    return memory("VmHWM") - before

def memory(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))

torch.set_num_threads(1)
small, measured = json.loads(sys.argv[1])
peak(small, 6)
print(peak(measured, 4))
"""

LARGE: dict[str, Any] = {
    "kind": "instant_ngp",
    "hash_grid": {"levels": 16, "log2_table_size": 17},
    "sampler": {"kind": "occupancy", "resolution": 64},
}
PROPOSAL = {"kind": "proposal", "rounds": [64, 32], "samples": 32, "hash_grid": {"log2_table_size": 14}}
REFLECTING: dict[str, Any] = {
    "kind": "mipnerf360",
    "field": {
        "width": 128,
        "hidden_layers": 4,
        "bottleneck": 128,
        "color_width": 64,
        "normals": "predicted",
        "reflections": {"color_layers": 4},
    },
    "proposal_width": 32,
    "samples": 24,
}


@pytest.mark.parametrize(
    ("model", "train"),
    [
        (LARGE, {"rays": 128, "samples": 1 << 16}),
        (LARGE | {"sampler": PROPOSAL}, {"rays": 2048, "samples": None, "ema_decay": 0.9}),
        (REFLECTING, {"rays": 512, "samples": None}),
    ],
    ids=["occupancy", "proposal", "reflections"],
)
def test_a_training_takes_what_was_estimated(model: dict[str, Any], train: dict[str, Any]) -> None:
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("the largest memory of a process can be measured anew on Linux only")
    base = TINY["model"] if model["kind"] == "instant_ngp" else {}
    measured = Experiment.model_validate({**TINY, "model": base | model, "train": TINY["train"] | train})
    documents = json.dumps([tiny().model_dump(mode="json"), measured.model_dump(mode="json")])
    program = [sys.executable, "-c", PROGRAM, documents]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    taken, estimated = int(done.stdout), estimate_memory(measured).total
    assert estimated / 1.5 < taken < estimated * 1.5, f"{taken >> 20} MiB, estimated {estimated >> 20} MiB"
