"""Normals of mip-NeRF on the toy box, by how they are trained: mean angular error after the same CPU-seconds.

The network of ``configs/models/mipnerf_small``; normals untrained, those of the density turned towards the cameras, and
predicted ones (Ref-NeRF's losses at its weights).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsg_cluster.config.schema import Experiment
from tests.benchmarks.budget import spend
from tests.benchmarks.models import experiment

BUDGET_S = 60.0
KINDS = ("untrained", "density", "predicted")


def run(device: str, peer: Path | None) -> dict[str, Any]:
    """Train with each kind."""
    del device, peer
    whole = experiment("mipnerf_small", "toybox").model_dump()
    whole["evaluate"]["normals"] = True
    found = {}
    for kind in KINDS:
        whole["model"]["field"]["normals"] = kind
        found[kind] = spend(Experiment.model_validate(whole), BUDGET_S, views=4)
    return found
