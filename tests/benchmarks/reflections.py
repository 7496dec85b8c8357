"""Shiny surfaces: colors by the direction of view and by the reflected direction, after the same CPU-seconds.

The metal scene and the network of ``configs/models/mipnerf360_small``: as it is, with predicted normals, and with
colors that go by the direction reflected at these (Ref-NeRF) or at the normals of the density.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsg_cluster.config.schema import Experiment
from tests.benchmarks.budget import spend
from tests.benchmarks.models import experiment

BUDGET_S = 400.0
KINDS: dict[str, dict[str, Any]] = {
    "view": {},
    "view, predicted normals": {"normals": "predicted"},
    "reflections, predicted normals": {"normals": "predicted", "reflections": {"color_layers": 4}},
    "reflections, normals of the density": {"normals": "density", "reflections": {"color_layers": 4}},
}


def run(device: str, peer: Path | None) -> dict[str, Any]:
    """Train with each kind."""
    del device, peer
    return {kind: measure(kind, BUDGET_S) for kind in KINDS}


def measure(kind: str, budget_s: float, pictures: Path | None = None) -> dict[str, Any]:
    """Train with one kind, and evaluate."""
    whole = experiment("mipnerf360_small", "toybox").model_dump()
    whole["data"] |= {"scene": "metal", "image_size": 96}
    whole["evaluate"]["normals"] = True
    whole["model"]["field"] |= KINDS[kind]
    return spend(Experiment.model_validate(whole), budget_s, views=None, pictures=pictures)
