"""A training that ends when a number of CPU-seconds is spent in its steps, and what it reached on the way.

How many steps fit is measured first, by steps of a training that is thrown away: the learning rate falls over the
steps. Renderings of held-out pixels for the curve are not counted. One thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from nsg_cluster.config.schema import Experiment
from nsg_cluster.data.batches import RayBatch, RayBatches
from nsg_cluster.data.images import encode_png
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene
from nsg_cluster.models.base import Model
from nsg_cluster.outputs.evaluate import Evaluator
from nsg_cluster.training.progress import psnr_of
from nsg_cluster.training.state import State, new_state
from nsg_cluster.training.step import take_step
from tests.benchmarks.measure import high_water_bytes, reset_high_water

CPU = torch.device("cpu")
SETTLING_STEPS, SETTLING_SHARE = 40, 0.1
POINTS_OF_A_CURVE, PIXELS_OF_A_POINT = 6, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Pixels of all held-out views, drawn once."""

    batch: RayBatch

    def psnr(self, experiment: Experiment, model: Model) -> float:
        """Return the PSNR of these pixels."""
        background = torch.full_like(self.batch.color, 1.0 if experiment.evaluate.background == "white" else 0.0)
        threshold = experiment.evaluate.transmittance_threshold
        model.eval()
        with torch.no_grad():
            color = model.render_rays(self.batch.rays, background=background, transmittance_threshold=threshold).color
        model.train()
        return psnr_of(float((color - self.batch.over(background)).square().mean()))


def spend(
    experiment: Experiment, budget_s: float, *, views: int | None, pictures: Path | None = None, is_alone: bool = False
) -> dict[str, Any]:
    """Train for a budget, evaluate, and return numbers.

    Args:
        experiment: What to train; how many steps does not matter.
        budget_s: CPU-seconds of the steps.
        views: Held-out views to evaluate; None for all.
        pictures: File for the first of them: truth, rendering and depth.
        is_alone: The process has trained nothing before, so that its growth is the memory that training takes.
    """
    torch.set_num_threads(1)
    scene = load_scene(experiment.data)
    batches = RayBatches(scene.train, CPU)
    held = _Held(batch=RayBatches(scene.test, CPU).draw(PIXELS_OF_A_POINT, torch.Generator().manual_seed(0)))
    before = reset_high_water()
    steps = _steps_of(experiment, scene, batches, budget_s)
    train = experiment.train.model_copy(update={"steps": steps})
    experiment = experiment.model_copy(update={"train": train})
    state = new_state(experiment, scene, CPU)
    curve: list[list[float]] = []
    spent, terms = 0.0, {}
    while state.step < steps:
        began = time.process_time()
        done = take_step(experiment, batches, state)
        spent += time.process_time() - began
        if state.step % max(1, steps // POINTS_OF_A_CURVE) == 0 or state.step == steps:
            curve.append([round(spent, 2), round(held.psnr(experiment, state.model), 3)])
            terms = {name: float(term.detach()) for name, term in done.score.terms.items()}
    memory = {"memory_bytes": high_water_bytes() - before} if is_alone else {}
    return {
        "budget_s": budget_s,
        "train_cpu_s": spent,
        "steps": steps,
        "rays_of_last_step": state.rays,
        **memory,
        "curve": curve,
        "terms": terms,
        **_evaluated(experiment, scene, state, views, pictures),
    }


def _steps_of(experiment: Experiment, scene: Scene, batches: RayBatches, budget_s: float) -> int:
    """Return how many steps cost the budget, by the later half of some that take a tenth of it at most."""
    state = new_state(experiment, scene, CPU)
    taken: list[float] = []
    while len(taken) < SETTLING_STEPS and (len(taken) < 2 or sum(taken) < SETTLING_SHARE * budget_s):
        began = time.process_time()
        take_step(experiment, batches, state)
        taken.append(time.process_time() - began)
    later = taken[len(taken) // 2 :]
    return max(2, round(budget_s * len(later) / sum(later)))


def _evaluated(
    experiment: Experiment, scene: Scene, state: State, views: int | None, pictures: Path | None
) -> dict[str, Any]:
    """Return the means over held-out views, evenly chosen."""
    state.model.eval()
    evaluator = Evaluator(state.model, scene, experiment.evaluate, CPU)
    count = min(views or len(scene.test), len(scene.test))
    found = [evaluator.measure(round(place * (len(scene.test) - 1) / max(count - 1, 1))) for place in range(count)]
    if pictures is not None:
        pictures.parent.mkdir(parents=True, exist_ok=True)
        row = [found[0].pictures[ending] for ending in ("_truth", "", "_depth")]
        pictures.write_bytes(encode_png(np.concatenate(row, axis=1)))
    means = {name: [value for view in found if (value := view.values[name]) is not None] for name in found[0].values}
    return {
        "held_out_views": count,
        **{name: fmean(values) for name, values in means.items() if values},
        "render_rays_per_cpu_s": evaluator.rays / evaluator.cpu_s,
        "background": experiment.evaluate.background,
        "transmittance_threshold": experiment.evaluate.transmittance_threshold,
    }
