"""Train lego at full resolution on the GPU, measure the held-out views, and count frames a second.

``python -m tests.gpu.lego DATA OUT.json [KEY=VALUE ...]``: DATA is the folder that holds ``transforms_train.json``, the
settings go on top of those of ``configs/lego.yaml`` and of ``SETTINGS`` below.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch

from nsg_cluster.config.compose import load
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.render.image import render_image
from nsg_cluster.training.checkpoint import load_model
from nsg_cluster.training.evaluate import evaluate
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
    "evaluate.chunk=640000",
    "model.hash_grid.max_resolution=2048",
)
FRAME_THRESHOLD = 1e-2
FRAMES = 30


def main() -> int:
    """Train, evaluate, render; print one line and write the figures."""
    data, out, *overrides = sys.argv[1:]
    experiment = load(
        CONFIG, [f"data.root={data}", *SETTINGS, *overrides], variables={"storage": tempfile.gettempdir()}
    )
    with tempfile.TemporaryDirectory() as folder:
        paths = TaskPaths(Path(folder))
        result = train(experiment, paths, stop=StopSignal())
        metrics = evaluate(experiment, paths)
        assert metrics is not None
        scene = load_scene(experiment.data)
        model, _ = load_model(experiment, paths, scene)
        losses = [json.loads(line) for line in paths.events.read_text().splitlines()]
    device = torch.device("cuda")
    model, cameras = model.to(device).eval(), scene.test.cameras.to(device)
    chunk = cameras.height * cameras.width

    def frame(index: int) -> None:
        render_image(
            model,
            cameras,
            index % len(cameras),
            background=1.0,
            chunk=chunk,
            transmittance_threshold=FRAME_THRESHOLD,
        )

    for index in range(3):
        frame(index)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for index in range(FRAMES):
        frame(index)
    torch.cuda.synchronize()
    frames_per_s = FRAMES / (time.perf_counter() - begin)
    figures = {
        "steps": result.step,
        "train_s": result.wall_s,
        "psnr": metrics["mean"]["psnr"],
        "frames_per_s": frames_per_s,
        "frame": [cameras.width, cameras.height],
        "memory_bytes": torch.cuda.max_memory_allocated(),
        "metrics": metrics,
        "events": losses,
    }
    Path(out).write_text(json.dumps(figures, indent=1) + "\n")
    print(
        f"lego {cameras.width}x{cameras.height}: {figures['psnr']:.2f} dB after {result.step} steps in "
        f"{result.wall_s:.1f} s; {frames_per_s:.1f} frames/s at a threshold of {FRAME_THRESHOLD}; "
        f"{figures['memory_bytes'] / 2**30:.2f} GiB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
