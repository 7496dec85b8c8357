"""One scene in two layouts, with frames and scales of their own, is learned alike."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from nsg_cluster.config.schema import Experiment, SyntheticData
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.photographs.blender import write_blender
from nsg_cluster.data.procedural.synthetic import load_synthetic
from nsg_cluster.data.scene import Scene
from nsg_cluster.training.state import new_state
from nsg_cluster.training.step import take_step
from tests.data import layouts

pytest.importorskip("pycolmap", reason="missing here: the package pycolmap, which writes the reconstruction")

TOYBOX = SyntheticData(image_size=40, train_views=42, test_views=6, supersample=2)
MODEL = {
    "kind": "instant_ngp",
    "hash_grid": {"levels": 8, "features": 4, "log2_table_size": 14, "max_resolution": 96},
    "hidden_width": 32,
    "direction_degree": 3,
    "sampler": {"kind": "occupancy", "resolution": 32, "warmup_steps": 64, "steps_per_diagonal": 192},
}
TRAIN = {
    "steps": 200,
    "rays": 128,
    "samples": 8192,
    "optimizer": {"learning_rate": 2e-2},
    "schedule": {"kind": "cosine", "warmup_steps": 20, "final_factor": 0.01},
}


def held_out_psnr(scene: Scene) -> float:
    """Train on a scene, and return the mean PSNR of its held-out views on white."""
    torch.set_num_threads(1)
    experiment = Experiment.model_validate(
        {"name": "agree", "data": {"kind": "synthetic"}, "model": MODEL, "train": TRAIN}
    )
    cpu = torch.device("cpu")
    state, batches = new_state(experiment, scene, cpu), RayBatches(scene.train, cpu)
    while state.step < experiment.train.steps:
        take_step(experiment, batches, state)
    model, held_out, found = state.model.eval(), RayBatches(scene.test, cpu), []
    for index in range(len(scene.test)):
        view = held_out.image(index)
        white = torch.ones_like(view.color)
        error = (model.render_rays(view.rays, background=white).color - view.over(white)).square().mean()
        found.append(-10 * math.log10(float(error)))
    return fmean(found)


def test_a_reconstruction_by_colmap_is_learned_as_well_as_the_layout_of_blender(tmp_path: Path) -> None:
    made = load_synthetic(TOYBOX)
    write_blender(made, tmp_path / "blender")
    every = layouts.write_colmap(made, tmp_path / "colmap")
    # The reconstruction is brought to where nine of ten cameras are within 1; they stand 4 away in the other layout.
    layout: dict[str, dict[str, Any]] = {
        "blender": {"test_split": "test", "bound": 1.2},
        "colmap": {"hold_out_every": every, "bound": 0.3, "near": 0.5, "far": 1.5},
    }
    scenes = {
        kind: load_scene(
            Experiment.model_validate(
                {"name": "x", "model": MODEL, "data": {"kind": kind, "root": str(tmp_path / kind), **settings}}
            ).data
        )
        for kind, settings in layout.items()
    }
    assert torch.equal(scenes["blender"].test.images, scenes["colmap"].test.images)
    blender, colmap = (held_out_psnr(scene) for scene in scenes.values())
    assert blender > 24, "a plain white picture has 9"
    assert abs(blender - colmap) < 0.3
