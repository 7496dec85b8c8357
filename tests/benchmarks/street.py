"""The street: a scene graph against NeRF and NeRF + time on held-out frames, and edits against the edited street.

``NSG_STREET_RUN`` names a folder with the runs ``street_graph``, ``street_nerf`` and ``street_nerf_time`` that were
trained already (their ``tasks/0``); without it they are trained here, and all takes four CPU-minutes.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nsg_cluster.config.compose import load
from nsg_cluster.config.edits import EditConfig
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene
from nsg_cluster.models.scene_graph import SceneGraph
from nsg_cluster.outputs.evaluate import evaluate
from nsg_cluster.outputs.metrics import psnr
from nsg_cluster.outputs.stage_graph import stage_graph
from nsg_cluster.render.image import render_image
from nsg_cluster.training.checkpoint import load_model
from nsg_cluster.training.loop import train

CONFIGS = Path(__file__).parent / "configs"
MODELS = ("street_graph", "street_nerf", "street_nerf_time")
# Colors that differ by less are the same: shadows far away from what was edited.
DIFFERENT = 8 / 255


def run(device: str, peer: object) -> list[dict[str, object]]:
    """Train what is not trained yet, compare, edit."""
    del peer
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(os.environ.get("NSG_STREET_RUN", scratch))
        for name in MODELS:
            experiment = load(CONFIGS / f"{name}.yaml", [f"train.device={device}"], variables={})
            paths = TaskPaths(folder / name)
            train(experiment, paths, stop=StopSignal())
            evaluate(experiment, paths, stop=StopSignal())
            metrics = read_json(paths.metrics)
            results.append({"model": name, "train_cpu_s": metrics["train_cpu_seconds"], **metrics["mean"]})
        graph = load(CONFIGS / "street_graph.yaml", [f"train.device={device}"], variables={})
        results += edits(graph, TaskPaths(folder / "street_graph"))
    return results


def edits(experiment: Experiment, paths: TaskPaths) -> list[dict[str, object]]:
    """Compare edits of a trained graph with the street that was edited in the same way."""
    scene = load_scene(experiment.data)
    model, _ = load_model(experiment, paths, scene)
    assert isinstance(model, SceneGraph)
    changes: dict[str, tuple[dict[str, Any], Callable[[list[float], float], dict[str, Any]]]] = {
        "remove": ({"remove": (1,)}, lambda place, yaw: {"remove": 1}),
        "move": ({"move": {1: [0.0, 0.0, 1.5]}}, lambda place, yaw: {"move": {"track": 1, "by": [0, 0, 1.5]}}),
        "insert": (
            {"insert": {1: [6.0, 0.0, 3.2]}},
            lambda place, yaw: {
                "insert": {"track": 1, "at": [place[0] + 6.0, place[1], place[2] + 3.2], "yaw_deg": yaw}
            },
        ),
    }
    results = []
    for name, (change, edit) in changes.items():
        truth = load_scene(type(experiment.data).model_validate(experiment.data.model_dump() | change))
        values = [value for view in range(len(scene.test)) if (value := one_edit(model, scene, truth, edit, view))]
        results.append({"edit": name, "views": len(values), "psnr_edited_region": sum(values) / max(len(values), 1)})
    return results


def one_edit(
    model: SceneGraph, scene: Scene, truth: Scene, edit: Callable[[list[float], float], dict[str, Any]], view: int
) -> float | None:
    """Return the PSNR of a view where the edited street differs from the street; None where it does not."""
    before, after = (each.test.images[view, ..., :3].float() / 255 for each in (scene, truth))
    region = (before - after).abs().amax(-1) > DIFFERENT
    assert scene.tracks is not None and scene.test.cameras.frames is not None
    owner, frame = scene.tracks.index_of(1), int(scene.test.cameras.frames[view])
    here = torch.nonzero((scene.tracks.owners == owner) & (scene.tracks.frames == frame))
    if int(region.sum()) < 20 or len(here) == 0:
        return None
    pose = scene.tracks.object_to_world[int(here[0])]
    place = pose[:, 3] + pose[:, 1] * scene.tracks.sizes[owner, 1] / 2
    yaw = math.degrees(math.atan2(float(pose[0, 2]), float(pose[0, 0])))
    document = edit(place.tolist(), yaw)
    cameras = scene.test.cameras[torch.tensor([view])]
    staged = stage_graph(model, scene, cameras, (EditConfig.model_validate(document),))
    color = render_image(model, staged, 0, background=0.0, chunk=8192).color
    return psnr(color[region], after[region])
