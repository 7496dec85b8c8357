"""The stand-in for KITTI 0006: how soon each preset learns held-out frames, in CPU-seconds.

The 112 images are rendered from the official weights below ``NSG_DATA``, which takes ten CPU-minutes; `nsg_fast` is
trained to its last step, `nsg` for half an hour of CPU time. ``NSG_STANDIN`` names a folder that keeps what is done, so
that a second call goes on: images in ``images`` and what each training said in files of its own.

A curve is the mean PSNR over every 4th pixel of every 4th row of all held-out images while the learning rate has not
yet fallen; looking takes no time of the training. The figures of the last state are over all pixels.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from nsg_cluster.config.compose import load
from nsg_cluster.config.render import RenderConfig
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.data.batches import RayBatch, RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.models.base import Model
from nsg_cluster.outputs.evaluate import Evaluator
from nsg_cluster.outputs.metrics import psnr
from nsg_cluster.outputs.stand_in import render_stand_in
from nsg_cluster.runs.adopt import adopt_nsg
from nsg_cluster.tasks.stages import read_spec
from nsg_cluster.training.device import prepare_device
from nsg_cluster.training.state import State, new_state
from nsg_cluster.training.step import take_step
from tests.benchmarks.quality import data_root

CONFIGS = Path(__file__).parent / "configs"
BUDGET_S = {"standin_nsg_fast": 900.0, "standin_nsg": 1800.0}
LOOK_AT_S = (5, 10, 20, 30, 45, 60, 80, 100, 120, 150, 180, 240, 300, 450, 600, 750, 900, 1200, 1500, 1800)
STRIDE, WIDTH = 4, 310


def run(device: str, peer: object) -> dict[str, Any]:
    """Train both presets, and say how much sooner the quick one is where the other one ends."""
    del peer
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(os.environ.get("NSG_STANDIN", scratch))
        if not (folder / "images" / "RENDERED.txt").is_file():
            render(folder, Path(scratch))
        overrides = [f"data.root={folder / 'images'}", f"train.device={device}"]
        results = {name: kept(folder / f"{name}.json", partial(race, name, overrides)) for name in BUDGET_S}
    return {**results, "where_nsg_ends": compared(*(result["curve"] for result in results.values()))}


def kept(file: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a file holds, made where it is missing."""
    if not file.is_file():
        write_json(file, make())
    document: dict[str, Any] = read_json(file)
    return document


def render(folder: Path, scratch: Path) -> None:
    """Render the training views of KITTI 0006 by the official weights."""
    weights = data_root() / "nsg_weights" / "kitti_tracking_0006_example"
    task = adopt_nsg(weights, scratch / "nsg_0006", root=str(data_root() / "kitti")).task(0)
    render_stand_in(read_spec(task), task, folder / "images", size=WIDTH, render=RenderConfig())


def race(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Train one preset until its steps or its CPU-seconds are used up."""
    experiment = load(CONFIGS / f"{name}.yaml", list(overrides), variables={})
    device = prepare_device(experiment.train)
    scene = load_scene(experiment.data)
    lookout, batches = Lookout(scene.test, experiment, device), RayBatches(scene.train, device)
    clock, curve, due = Stopwatch(), [], list(LOOK_AT_S)
    state = new_state(experiment, scene, device)
    while state.step < experiment.train.steps and clock.seconds < BUDGET_S[name]:
        take_step(experiment, batches, state)
        if due and clock.seconds >= due[0]:
            due = [moment for moment in due if moment > clock.seconds]
            with clock.stopped():
                curve.append([round(clock.seconds, 2), round(lookout.psnr(state.model), 3)])
                print(f"{name}: step {state.step}, {curve[-1]}", file=sys.stderr, flush=True)
    seconds = clock.seconds
    curve.append([round(seconds, 2), round(lookout.psnr(state.model), 3)])
    means = held_out(state, scene, experiment, device)
    return {"steps": state.step, "train_cpu_s": seconds, **means, "curve": curve}


def held_out(state: State, scene: Scene, experiment: Experiment, device: torch.device) -> dict[str, float]:
    """Return the mean of each metric over all held-out images."""
    state.model.eval()
    evaluator = Evaluator(state.model, scene, experiment.evaluate, device)
    views = [evaluator.measure(index).values for index in range(len(scene.test))]
    known = {name: [value for view in views if (value := view[name]) is not None] for name in views[0]}
    return {
        **{name: fmean(values) for name, values in known.items() if values},
        "rendered_rays_per_cpu_s": evaluator.rays / evaluator.cpu_s,
    }


def compared(quick: list[list[float]], slow: list[list[float]]) -> dict[str, float | None]:
    """Return when each curve first is as high as the second one ever was; None if the first never is."""
    goal = max(value for _, value in slow)
    soon = next((moment for moment, value in quick if value >= goal), None)
    late = next(moment for moment, value in slow if value >= goal)
    times = None if soon is None else late / soon
    return {"psnr": goal, "nsg_fast_cpu_s": soon, "nsg_cpu_s": late, "times_less": times}


class Lookout:
    """Some pixels of each held-out image."""

    def __init__(self, views: Views, experiment: Experiment, device: torch.device) -> None:
        """Choose them."""
        height, width = views.cameras.height, views.cameras.width
        rows, columns = torch.arange(0, height, STRIDE), torch.arange(0, width, STRIDE)
        pixels = (rows[:, None] * width + columns).flatten()
        first = torch.arange(len(views), device=device) * height * width
        self._batches, self._first, self._pixels = RayBatches(views, device), first, pixels.to(device)
        self._chunk, self._shade = experiment.evaluate.chunk, 1.0 if experiment.evaluate.background == "white" else 0.0

    def psnr(self, model: Model) -> float:
        """Return the mean over the images."""
        model.eval()
        with torch.no_grad():
            values = [self._psnr(model, self._batches.at(first + self._pixels)) for first in self._first]
        model.train()
        return fmean(values)

    def _psnr(self, model: Model, batch: RayBatch) -> float:
        background = torch.full_like(batch.color, self._shade)
        parts = [slice(first, first + self._chunk) for first in range(0, len(background), self._chunk)]
        colors = [model.render_rays(batch.rays[part], background=background[part]).color for part in parts]
        return psnr(torch.cat(colors).clamp(0, 1), batch.over(background))


class Stopwatch:
    """CPU-seconds of this process, but for those while it is stopped."""

    def __init__(self) -> None:
        """Start."""
        self._began = time.process_time()
        self._stopped_at: float | None = None

    @property
    def seconds(self) -> float:
        """CPU-seconds so far."""
        return (time.process_time() if self._stopped_at is None else self._stopped_at) - self._began

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stand still within the block."""
        self._stopped_at = time.process_time()
        yield
        self._began += time.process_time() - self._stopped_at
        self._stopped_at = None
