"""What a learned start of the objects is worth: a street whose cars it has never seen, with and without it.

``NSG_START_RUNS`` names a folder for the runs of the starts, which are trained there where they are not yet; they take
most of the time. Everything else is equal: seed, rays, steps. CPU-seconds are those of the training steps alone.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import torch

from nsg_cluster.config.compose import load
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene
from nsg_cluster.outputs.evaluate import Evaluator
from nsg_cluster.training.loop import train
from nsg_cluster.training.state import State, new_state
from nsg_cluster.training.step import take_step

CONFIGS = Path(__file__).parent / "configs"
MARKS = {"fast": (25, 50, 100, 200, 400, 1000)}
"""Of each pair of experiments: the steps after which they are compared."""


def run(device: str, peer: object) -> list[dict[str, object]]:
    """Learn the starts that are not there yet, and train the street from each and from nothing."""
    del peer
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(os.environ.get("NSG_START_RUNS", scratch))
        for kind in MARKS:
            start = _start(kind, folder, device)
            for source in (start, None):
                results += compared(kind, source, device)
    return results


def _start(kind: str, folder: Path, device: str) -> Path:
    """Return the run of a start, trained."""
    experiment = load(CONFIGS / f"start_{kind}.yaml", [f"train.device={device}"], variables={})
    run = RunPaths(folder / f"start_{kind}")
    paths = run.task(0)
    paths.root.mkdir(parents=True, exist_ok=True)
    if not paths.spec.is_file():
        from nsg_cluster.config.compose import dump

        paths.spec.write_text(dump(experiment))
    train(experiment, paths, stop=StopSignal())
    return run.root


def compared(kind: str, start: Path | None, device: str) -> list[dict[str, object]]:
    """Train the street and measure its held-out views at each mark."""
    settings = [f"train.device={device}", *([f"model.objects.start_from={start}"] if start else [])]
    experiment = load(CONFIGS / f"started_{kind}.yaml", settings, variables={})
    scene = load_scene(experiment.data)
    batches = RayBatches(scene.train, device)
    state = new_state(experiment, scene, torch.device(device))
    cpu_s, results = 0.0, []
    for mark in MARKS[kind]:
        began = time.process_time()
        while state.step < mark:
            take_step(experiment, batches, state)
        cpu_s += time.process_time() - began
        what = {"model": kind, "start": start is not None, "steps": mark, "train_cpu_s": round(cpu_s, 1)}
        results.append(what | measured(experiment, scene, state, device))
    return results


def measured(experiment: Experiment, scene: Scene, state: State, device: str) -> dict[str, float]:
    """Return the means over all held-out views."""
    state.model.eval()
    evaluator = Evaluator(state.model, scene, experiment.evaluate, torch.device(device))
    values = [evaluator.measure(index).values for index in range(len(scene.test))]
    state.model.train()
    means = {}
    for name in ("psnr", "psnr_dynamic", "ssim"):
        known = [value for each in values if (value := each[name]) is not None]
        means[name] = round(sum(known) / len(known), 3)
    return means
