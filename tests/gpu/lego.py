"""Train lego at full resolution, measure the PSNR of the held-out views, and count frames a second.

``python -m tests.gpu.lego DATA OUT [KEY=VALUE ...]``: DATA is the folder that holds ``transforms_train.json``, OUT one
for ``lego.json`` and a picture; the settings go on top of those of ``configs/lego.yaml`` and of ``SETTINGS``. It needs
as few packages as it can: what travels to a machine without a network must be small.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import Tensor

from nsg_cluster.config.compose import load
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.files import read_jsonl
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.images import encode_png
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene
from nsg_cluster.models.instant_ngp import InstantNgp
from nsg_cluster.outputs.metrics import psnr
from nsg_cluster.outputs.pictures import color_picture
from nsg_cluster.render.image import render_image
from nsg_cluster.training.checkpoint import load_model
from nsg_cluster.training.device import prepare_device
from nsg_cluster.training.loop import train

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "lego.yaml"
SETTINGS = (
    "data.downsample=1",
    "train.device=cuda",
    "train.steps=15000",
    "train.samples=262144",
    "train.preview_every=null",
    "train.checkpoint_every_s=3600",
    "train.log_every=500",
    "model.hash_grid.max_resolution=2048",
)
FRAME_THRESHOLD = 1e-2
WARM_UP_FRAMES, FRAMES = 3, 30


class Views:
    """Renders the held-out views whole, over white."""

    def __init__(self, model: InstantNgp, scene: Scene, device: torch.device) -> None:
        self.model, self.cameras = model.to(device).eval(), scene.test.cameras.to(device)
        self.batches = RayBatches(scene.test, "cpu")

    def render(self, index: int, transmittance_threshold: float) -> Tensor:
        """Return the color of each pixel of a view."""
        pixels = self.cameras.height * self.cameras.width
        return render_image(
            self.model,
            self.cameras,
            index % len(self.cameras),
            background=1.0,
            chunk=pixels,
            transmittance_threshold=transmittance_threshold,
        ).color

    def psnr(self, index: int) -> float:
        """Compare a view with the truth."""
        batch = self.batches.image(index)
        truth = batch.over(torch.ones_like(batch.color)).view(self.cameras.height, self.cameras.width, 3)
        return psnr(self.render(index, 1e-4), truth)

    def frames_per_s(self) -> float:
        """Render many frames; each ends on the CPU, so nothing is left to wait for."""
        for index in range(WARM_UP_FRAMES):
            self.render(index, FRAME_THRESHOLD)
        begin = time.perf_counter()
        for index in range(FRAMES):
            self.render(index, FRAME_THRESHOLD)
        return FRAMES / (time.perf_counter() - begin)


def trained(experiment: Experiment, scene: Scene, paths: TaskPaths) -> tuple[InstantNgp, dict[str, Any]]:
    """Train, and return the model and what is known about the training."""
    if find_spec("tensorboard") is None:  # it is large, and nobody reads what it would write here
        sys.modules["torch.utils.tensorboard"] = MagicMock()
    result = train(experiment, paths, stop=StopSignal())
    model, _ = load_model(experiment, paths, scene)
    assert isinstance(model, InstantNgp)
    return model, {"steps": result.step, "train_s": result.wall_s, "events": read_jsonl(paths.events)}


def main() -> int:
    """Train, evaluate, render; print one line and write the figures."""
    data, out, *overrides = sys.argv[1:]
    experiment = load(
        CONFIG, [f"data.root={data}", *SETTINGS, *overrides], variables={"storage": tempfile.gettempdir()}
    )
    device, scene = prepare_device(experiment.train), load_scene(experiment.data)
    with tempfile.TemporaryDirectory() as folder:
        model, figures = trained(experiment, scene, TaskPaths(Path(folder)))
    views = Views(model, scene, device)
    figures["psnr_per_view"] = {name: views.psnr(index) for index, name in enumerate(scene.test.names)}
    figures["psnr"] = fmean(figures["psnr_per_view"].values())
    figures["frames_per_s"] = views.frames_per_s()
    figures["size"] = [views.cameras.width, views.cameras.height]
    figures["memory_bytes"] = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
    Path(out, "lego.json").write_text(json.dumps(figures, indent=1) + "\n")
    Path(out, "lego.png").write_bytes(encode_png(color_picture(views.render(0, 1e-4))))
    print(
        f"lego {views.cameras.width}x{views.cameras.height}: {figures['psnr']:.2f} dB over {len(scene.test.names)} "
        f"views after {figures['steps']} steps in {figures['train_s']:.1f} s; "
        f"{figures['frames_per_s']:.1f} frames/s at a threshold of {FRAME_THRESHOLD}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
