"""Render the held-out views of a task, compare them to the truth, write pictures and metrics."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from nsg_cluster.config.driving import DrivingData
from nsg_cluster.config.schema import BlenderData, EvaluateConfig, Experiment
from nsg_cluster.core.files import write_atomic, write_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.images import encode_png
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.outputs.countdown import Countdown
from nsg_cluster.outputs.dynamic import moving_pixels
from nsg_cluster.outputs.metrics import load_lpips, mean_angle_deg, psnr, ssim
from nsg_cluster.outputs.pictures import (
    color_picture,
    depth_picture,
    error_picture,
    material_pictures,
    normals_picture,
    shade_of,
)
from nsg_cluster.render.image import ImageRendering, render_image
from nsg_cluster.render.rendering import RadianceModel
from nsg_cluster.training.checkpoint import Snapshot, load_model
from nsg_cluster.training.device import prepare_device
from nsg_cluster.training.events import write_board

__all__ = ["Evaluator", "Measured", "evaluate"]

log = logging.getLogger(__name__)

MAX_BOARD_IMAGES = 4
SMALL_IMAGES = "the images are smaller than its window of 11 pixels"
NOTHING_MOVES = "no held-out view shows a tracked object"
NOTHING_HIT = "no ray of the held-out views hits anything"

Picture = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One held-out view, rendered and compared."""

    name: str
    values: Mapping[str, float | None]
    """Metrics by name; None for those that are absent."""
    pictures: Mapping[str, Picture]
    """Pictures, by what follows the view's name in the name of their file."""
    rendering: ImageRendering


class Evaluator:
    """Renders and measures held-out views, and counts the time of rendering."""

    def __init__(self, model: RadianceModel, scene: Scene, config: EvaluateConfig, device: torch.device) -> None:
        """Prepare; the model is in evaluation mode on ``device``."""
        self._model, self._scene, self._config = model, scene, config
        self._cameras = scene.test.cameras.to(device)
        self._shade = shade_of(config.background)
        self._batches = RayBatches(scene.test, "cpu")
        self._lpips, self.why_no_lpips = load_lpips()
        self.rays, self.cpu_s, self.wall_s = 0, 0.0, 0.0

    def measure(self, index: int) -> Measured:
        """Render and compare one view."""
        rendering, truth = self._render(index), self._truth(index)
        view, color = self._scene.test, rendering.color
        seen = torch.ones_like(color[..., 0], dtype=torch.bool) if view.seen is None else view.seen[index]
        # Metrics of whole pictures are told the truth where there is nothing to be measured.
        known = torch.where(seen[..., None], color, truth)
        values: dict[str, float | None] = {
            "psnr": psnr(color[seen], truth[seen]),
            "ssim": ssim(known, truth),
            "lpips": self._lpips(known, truth) if self._lpips else None,
        }
        moving = moving_pixels(self._scene, view, index)
        if moving is not None:
            values["psnr_dynamic"] = psnr(color[moving], truth[moving]) if bool(moving.any()) else None
        values |= _errors_of_surface(rendering, view, index)
        return Measured(
            name=view.names[index],
            values=values,
            pictures={
                "": color_picture(color),
                "_truth": color_picture(truth),
                "_error": error_picture(color, truth),
                **self._pictures_of_surface(rendering),
            },
            rendering=rendering,
        )

    def _pictures_of_surface(self, rendering: ImageRendering) -> dict[str, Picture]:
        near, far, is_median = self._scene.near, self._scene.far, self._config.depth == "median"
        found = {
            "_depth": depth_picture(rendering, near=near, far=far, background=self._shade, is_median=is_median),
        }
        if rendering.normals is not None:
            found["_normals"] = normals_picture(rendering.normals, rendering.opacity, background=self._shade)
        if rendering.materials is not None:
            found |= material_pictures(rendering.materials, rendering.opacity, background=self._shade)
        return found

    def _render(self, index: int) -> ImageRendering:
        cpu_s, wall_s = time.process_time(), time.monotonic()
        rendering = render_image(
            self._model,
            self._cameras,
            index,
            background=self._shade,
            chunk=self._config.chunk,
            transmittance_threshold=self._config.transmittance_threshold,
            with_normals=self._config.normals,
            with_materials=self._config.materials,
        )
        self.cpu_s += time.process_time() - cpu_s
        self.wall_s += time.monotonic() - wall_s
        self.rays += rendering.opacity.numel()
        return rendering

    def _truth(self, index: int) -> Float[Tensor, "height width 3"]:
        batch = self._batches.image(index)
        color = batch.over(torch.full_like(batch.color, self._shade))
        return color.view(self._cameras.height, self._cameras.width, 3)


def evaluate(experiment: Experiment, paths: TaskPaths, *, stop: StopSignal | None = None) -> dict[str, Any] | None:
    """Evaluate the newest checkpoint of a task on its held-out views, and write the results into its folder.

    Args:
        experiment: What the task computes.
        paths: Where the checkpoints are and the results go.
        stop: Looked at before each view.

    Returns:
        What ``metrics.json`` holds, or None if it was stopped before its end.

    Raises:
        CheckpointError: There is no good checkpoint, or it belongs to another experiment.
        DataError: The data cannot be read.
        MachineError: The device is missing.
        RunError: The results cannot be written.
    """
    device = prepare_device(experiment.train)
    scene = load_scene(experiment.data)
    model, snapshot = load_model(experiment, paths, scene)
    evaluator = Evaluator(model.to(device), scene, experiment.evaluate, device)
    chosen = _spread(len(scene.test), experiment.evaluate.max_views)
    countdown = Countdown(paths, "evaluate", len(chosen), scene.test.cameras.height * scene.test.cameras.width)
    per_view: list[dict[str, Any]] = []
    board: dict[str, Picture] = {}
    for index in chosen:
        if stop is not None and stop.requested:
            return None
        view = evaluator.measure(index)
        if experiment.evaluate.pictures:
            _write_view(paths.evaluation, view, is_median=experiment.evaluate.depth == "median")
        per_view.append({"name": view.name, **view.values})
        if len(board) < MAX_BOARD_IMAGES:
            board[f"held_out/{view.name}"] = np.concatenate([view.pictures[""], view.pictures["_truth"]], axis=1)
        countdown.done(len(per_view), {"psnr": fmean(values["psnr"] for values in per_view)})
    document = _document(experiment, scene, snapshot, evaluator, per_view)
    write_json(paths.metrics, document)
    means = {f"held_out/{name}": value for name, value in document["mean"].items() if value is not None}
    write_board(paths, snapshot.step, scalars=means, images=board)
    log.info("%d views: %s", len(per_view), _sentence(document))
    return document


def _document(
    experiment: Experiment, scene: Scene, snapshot: Snapshot, evaluator: Evaluator, per_view: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the content of ``metrics.json``."""
    mean = {name: _mean([view[name] for view in per_view]) for name in per_view[0] if name != "name"}
    reasons = {
        "lpips": evaluator.why_no_lpips,
        "ssim": SMALL_IMAGES,
        **dict.fromkeys(("depth_error", "median_depth_error", "normal_error_deg"), NOTHING_HIT),
        "psnr_dynamic": NOTHING_MOVES,
    }
    return {
        "split": experiment.data.test_split if isinstance(experiment.data, BlenderData) else "test",
        "protocol": experiment.data.protocol if isinstance(experiment.data, DrivingData) else None,
        "views": len(per_view),
        "step": snapshot.step,
        "background": experiment.evaluate.background,
        "mean": mean,
        "absent": {name: reasons[name] for name, value in mean.items() if value is None},
        "per_view": list(per_view),
        "train_seconds": snapshot.wall_s,
        "train_cpu_seconds": snapshot.cpu_s,
        "render_rays_per_s": evaluator.rays / max(evaluator.wall_s, 1e-9),
        "render_rays_per_cpu_s": evaluator.rays / max(evaluator.cpu_s, 1e-9),
        "notes": list(scene.notes),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _sentence(document: Mapping[str, Any]) -> str:
    means = [f"{name} {value:.4f}" for name, value in document["mean"].items() if value is not None]
    absent = [f"no {name}: {why}" for name, why in document["absent"].items()]
    return "; ".join([", ".join(means), *absent, *document["notes"]])


def _write_view(folder: Path, view: Measured, *, is_median: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for ending, picture in view.pictures.items():
        write_atomic(folder / f"{view.name}{ending}.png", encode_png(picture))
    buffer = io.BytesIO()
    np.save(buffer, (view.rendering.median_depth if is_median else view.rendering.depth).numpy())
    write_atomic(folder / f"{view.name}_depth.npy", buffer.getvalue())


def _errors_of_surface(rendering: ImageRendering, view: Views, index: int) -> dict[str, float | None]:
    """Return the errors of depth and normals, where the truth is known."""
    found: dict[str, float | None] = {}
    if view.depth is not None:
        found["depth_error"] = _depth_error(rendering.depth, view.depth[index])
        found["median_depth_error"] = _depth_error(rendering.median_depth, view.depth[index])
    if view.normals is not None and rendering.normals is not None:
        hit = view.normals[index].any(dim=-1)
        found["normal_error_deg"] = mean_angle_deg(rendering.normals[hit], view.normals[index][hit])
    return found


def _depth_error(depth: Float[Tensor, "height width"], truth: Float[Tensor, "height width"]) -> float | None:
    """Return the mean absolute error of the depth in scene units, over pixels whose central ray hits something."""
    hit = truth.isfinite()
    return float((depth[hit] - truth[hit]).abs().mean()) if bool(hit.any()) else None


def _spread(count: int, most: int | None) -> list[int]:
    """Return at most ``most`` of ``count`` indices, evenly spread from the first to the last."""
    kept = min(most or count, count)
    return [round(place * (count - 1) / max(kept - 1, 1)) for place in range(kept)]
