"""Rendering the lego at 800x800: rays per second, against a dense march without early termination.

The model is trained first, at a small size and for a short while: enough for its occupancy grid to know the scene.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from nsg_cluster.config.compose import load
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.geometry.cameras import pixel_rays
from nsg_cluster.sampling.occupancy import OccupancySampler
from nsg_cluster.training.checkpoint import load_model
from nsg_cluster.training.loop import train
from tests.benchmarks.measure import compare
from tests.benchmarks.quality import CHECKOUT, data_root

SIZE, RAYS, STEPS, CHUNK, THRESHOLD = 800, 1 << 13, 300, 1 << 12, 1e-2


def run(device: str, peer: Path | None) -> list[dict[str, object]]:
    """Measure random rays of one held-out view."""
    del peer
    root = data_root() / "nerf_synthetic" / "lego"
    if not root.is_dir():
        return [{"skipped": f"no images at {root}: set NSG_DATA"}]
    experiment = load(
        CHECKOUT / "configs" / "lego.yaml",
        [f"data.root={root}", f"train.steps={STEPS}", f"train.device={device}", "train.preview_every=null"],
        variables={"storage": "."},
    )
    scene = load_scene(experiment.data)
    with tempfile.TemporaryDirectory() as scratch:
        paths = TaskPaths(Path(scratch))
        train(experiment, paths, stop=StopSignal())
        model = load_model(experiment, paths, scene)[0].to(device)
    cameras = scene.test.cameras.resized(width=SIZE, height=SIZE).to(device)
    generator = torch.Generator().manual_seed(0)
    rows, columns = (torch.randint(SIZE, (RAYS,), generator=generator).to(device) for _ in range(2))
    rays = pixel_rays(cameras, torch.zeros_like(rows), rows, columns)
    background = torch.ones(RAYS, 3, device=device)
    assert isinstance(model.sampler, OccupancySampler)
    bits = model.sampler.grid.bits
    learned = bits.clone()

    def render(*, dense: bool) -> None:
        bits.copy_(torch.full_like(learned, 255) if dense else learned)
        for low in range(0, RAYS, CHUNK):
            part = slice(low, low + CHUNK)
            model.render_rays(
                rays[part], background=background[part], transmittance_threshold=0.0 if dense else THRESHOLD
            )

    taken = compare(
        {"ours": lambda: render(dense=False), "dense": lambda: render(dense=True)}, device=device, repeats=3
    )
    return [
        {
            "size": SIZE,
            "transmittance_threshold": THRESHOLD,
            "trained_steps": STEPS,
            "rays_per_s": {name: RAYS / value for name, value in taken.items()},
            "ratio": taken["dense"] / taken["ours"],
            "seconds_per_frame": SIZE * SIZE / RAYS * taken["ours"],
        }
    ]
