"""One training step of the models whose time is spent in matrix products: NeRF, and mip-NeRF 360.

``nerf``: 1024 rays, 64 coarse and 192 fine points on each. ``--peer DIR`` takes a checkout of nerf_pl, whose networks
and ``render_rays`` run beside in the same process with Adam and the same rays. ``mipnerf360``: 256 rays at multinerf's
size, whose JAX program took 9.0 CPU-seconds on such a machine. Memory is the growth of the resident size of
a process of its own.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from nsg_cluster.config.compose import load
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.process import run as run_program
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.training.state import new_state
from nsg_cluster.training.step import take_step
from tests.benchmarks.measure import Work, compare, gauges, high_water_bytes

MODELS = Path(__file__).resolve().parents[2] / "configs" / "models"
# Multiplications and additions of a point, forward; gradients of inputs and weights take twice as many again.
FLOP_OF_A_POINT = 2 * (63 * 256 + 6 * 256**2 + 319 * 256 + 256 + 256**2 + 283 * 128 + 128 * 3)
POINTS = 1024 * (64 + 192)
MULTINERF_CPU_S = 9.0


def experiment(preset: str, rays: int, folder: Path) -> Experiment:
    """Return an experiment of a preset on the toy box."""
    file = folder / f"{preset}.yaml"
    file.write_text(
        f"extends: {MODELS / preset}.yaml\nname: x\n"
        "data: {kind: synthetic, image_size: 64, train_views: 20, test_views: 1, supersample: 1}\n"
        f"train: {{rays: {rays}, rays_at_once: 64, center_crop: null, device: cpu}}\n"
    )
    return load(file, variables={})


def ours(preset: str, rays: int, folder: Path, device: str) -> Work:
    """Return one step of ours."""
    made = experiment(preset, rays, folder)
    scene, where = load_scene(made.data), torch.device(device)
    batches, state = RayBatches(scene.train, where), new_state(made, scene, where)
    return partial(take_step, made, batches, state)


def nerf_pl(checkout: Path) -> Work:
    """Return one step of nerf_pl, its searchsorted replaced by PyTorch's."""
    shim = ModuleType("torchsearchsorted")
    shim.searchsorted = torch.searchsorted  # type: ignore[attr-defined]
    sys.modules["torchsearchsorted"] = shim
    sys.path.insert(0, str(checkout))
    from models.nerf import Embedding, NeRF  # type: ignore[import-not-found]
    from models.rendering import render_rays  # type: ignore[import-not-found]

    torch.manual_seed(0)
    nets = [NeRF(), NeRF()]
    embeddings = [Embedding(3, 10), Embedding(3, 4)]
    optimizer = torch.optim.Adam([p for net in nets for p in net.parameters()], lr=5e-4, eps=1e-8)
    directions = torch.nn.functional.normalize(torch.randn(1024, 3), dim=1)
    ends = torch.tensor([[2.0, 6.0]]).expand(1024, 2)
    rays, truth = torch.cat([-4 * directions, directions, ends], dim=1), torch.rand(1024, 3)

    def step() -> None:
        made: dict[str, Tensor] = render_rays(nets, embeddings, rays, 64, False, 1.0, 1.0, 128, 32768, True)
        errors = [(made[name] - truth).square().mean() for name in ("rgb_coarse", "rgb_fine")]
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(errors).sum())
        optimizer.step()

    return step


def run(device: str, peer: Path | None) -> dict[str, Any]:
    """Measure both models."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        works = {"ours": ours("nerf_pytorch", 1024, Path(folder), device)}
        if peer is not None and device == "cpu":
            works["nerf_pl"] = nerf_pl(peer)
        nerf = compare(works, device=device, repeats=3)
        large = compare({"ours": ours("multinerf_360", 256, Path(folder), device)}, device=device, repeats=3)
    result: dict[str, Any] = {
        "nerf": {
            "points": POINTS,
            "seconds": nerf,
            "ratio": {name: taken / nerf["ours"] for name, taken in nerf.items() if name != "ours"},
            "flop_per_s": 3 * FLOP_OF_A_POINT * POINTS / nerf["ours"],
        },
        "mipnerf360": {"rays": 256, "seconds": large, "of_multinerf": large["ours"] / MULTINERF_CPU_S},
        "gauges": gauges(device),
    }
    if device == "cpu":
        names = ["ours"] + (["nerf_pl"] if peer is not None else [])
        result["nerf"]["memory_bytes"] = {name: _memory(name, peer) for name in names}
    return result


def _memory(name: str, peer: Path | None) -> int:
    """Return by how much two steps let a process of its own grow."""
    done = run_program([sys.executable, "-m", "tests.benchmarks.networks", name, str(peer or "")], timeout_s=600)
    done.check()
    return int(json.loads(done.out))


def main() -> None:
    """Do two steps and print the growth of this process."""
    import tempfile

    name, peer = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        before = high_water_bytes()
        work = ours("nerf_pytorch", 1024, Path(folder), "cpu") if name == "ours" else nerf_pl(Path(peer))
        for _ in range(2):
            work()
    print(high_water_bytes() - before)


if __name__ == "__main__":
    main()
