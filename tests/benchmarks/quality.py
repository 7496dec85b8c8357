"""Time to quality: PSNR on held-out views against CPU-seconds spent in training steps.

``toybox``: the procedural scene at 64x64 with 60 training views. ``lego``: the real images at 400x400, where they are.
Each is a training by the package's own loop in a folder of its own. The curve is that of one held-out view while the
learning rate has not yet fallen; its last point and the mean over all held-out views are what a budget reached.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from nsg_cluster.config.compose import load
from nsg_cluster.core.files import read_json, read_jsonl
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal

CHECKOUT = Path(__file__).resolve().parents[2]
BUDGETS_S = {"toybox": (75, 600), "lego": (600,)}


def data_root() -> Path:
    """Return the folder of real data, which may not exist."""
    return Path(os.environ.get("NSG_DATA", CHECKOUT.parent / "shared" / "data")).resolve()


def overrides(scene: str, budget_s: int, data: Path) -> list[str]:
    """Return what a budget changes in the configuration: how many steps fit is measured, so the file tells."""
    common = ["render.frames=1"]
    if scene == "lego":
        return [*common, f"data.root={data / 'nerf_synthetic' / 'lego'}"]
    return [*common, "data.image_size=64"]


def train_for(scene: str, budget_s: int, device: str, data: Path) -> dict[str, object]:
    """Train and evaluate one scene with the configuration made for a budget, and return its curve."""
    from nsg_cluster.outputs.evaluate import evaluate
    from nsg_cluster.training.loop import train

    name = f"{scene}_{budget_s}s.yaml"
    folder = CHECKOUT / "tests" / "benchmarks" / "configs"
    experiment = load(folder / name, [*overrides(scene, budget_s, data), f"train.device={device}"], variables={})
    with tempfile.TemporaryDirectory() as scratch:
        paths = TaskPaths(Path(scratch))
        train(experiment, paths, stop=StopSignal())
        evaluate(experiment, paths, stop=StopSignal())
        metrics = read_json(paths.metrics)
        previews = [event for event in read_jsonl(paths.events) if "preview_psnr" in event]
    return {
        "scene": scene,
        "budget_s": budget_s,
        "train_cpu_s": metrics["train_cpu_seconds"],
        "train_wall_s": metrics["train_seconds"],
        "psnr": metrics["mean"]["psnr"],
        "ssim": metrics["mean"]["ssim"],
        "curve": [[event["cpu_s"], event["preview_psnr"]] for event in previews],
    }


def toybox(device: str, peer: Path | None) -> list[dict[str, object]]:
    """Measure the procedural scene."""
    del peer
    return [train_for("toybox", budget, device, data_root()) for budget in BUDGETS_S["toybox"]]


def lego(device: str, peer: Path | None) -> list[dict[str, object]]:
    """Measure the lego, where its images are."""
    del peer
    images = data_root() / "nerf_synthetic" / "lego"
    if not images.is_dir():
        return [{"skipped": f"no images at {images}: set NSG_DATA"}]
    return [train_for("lego", budget, device, data_root()) for budget in BUDGETS_S["lego"]]
