"""Model x scene: PSNR, SSIM, time and memory of every kind of model after the same CPU-seconds of training.

``python -m tests.benchmarks.models --out FILE`` trains what FILE does not have yet, each cell in a process of its own
and FILE written after each, so that it goes on after an interruption; ``--table FILE`` prints it as Markdown;
``python -m tests.benchmarks models`` trains everything. Models and scenes are those of ``configs/models`` and
``configs/scenes`` beside this file; a pair that makes no sense is left out, and the document says why.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from nsg_cluster.config.compose import load
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.core.process import run as run_program
from tests.benchmarks.measure import gauges, machine
from tests.benchmarks.quality import data_root

CONFIGS = Path(__file__).resolve().parent / "configs"
MODELS = (
    "nerf_small",
    "nerf_small_occupancy",
    "mipnerf_small",
    "mipnerf360_small",
    "instant_ngp_occupancy",
    "instant_ngp_proposal",
)
SCENES = ("toybox", "lego", "fox", "fern")
BUDGET_S = 30
EVALUATED_VIEWS = 4
OBJECT = [
    "model.contraction=none",
    "model.spacing=linear",
    "model.is_opaque=false",
    "train.loss={photometric: mse, distortion: 0}",
]
ENDLESS = "space has no end there, and this has no contraction"
# What a scene asks of a model; a text says why the pair is left out.
SUITED: dict[tuple[str, str], list[str] | str] = {
    ("mipnerf360_small", "toybox"): OBJECT,
    ("mipnerf360_small", "lego"): OBJECT,
    ("nerf_small_occupancy", "lego"): ["model.sampler.steps_per_diagonal=256"],
    ("instant_ngp_occupancy", "lego"): ["model.sampler.steps_per_diagonal=384"],
    ("nerf_small", "fox"): ENDLESS,
    ("nerf_small_occupancy", "fox"): ENDLESS,
    ("mipnerf_small", "fox"): ENDLESS,
    ("instant_ngp_occupancy", "fox"): ["model.bound=16", "model.sampler.cone_angle=0.004"],
    ("instant_ngp_proposal", "fox"): [
        "model.contraction=linf",
        "model.sampler.spacing=piecewise",
        "model.sampler.rounds=[64,32]",
    ],
    ("mipnerf_small", "fern"): ["data.space=world", "data.near=1.0", "data.far=100", "model.spacing=disparity"],
    ("mipnerf360_small", "fern"): ["data.space=world", "data.near=1.0", "data.far=100"],
}


def experiment(model: str, scene: str) -> Experiment:
    """Return the experiment of a cell."""
    where = read_scene(scene)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cell.yaml"
        file.write_text(
            f"extends: {CONFIGS / 'models' / model}.yaml\nname: {model}.{scene}\n"
            f"data: {json.dumps(where['data'])}\nevaluate: {json.dumps(where['evaluate'])}\n"
            "train: {background: random, device: cpu, threads: 1}\n"
        )
        changes = SUITED.get((model, scene), [])
        assert not isinstance(changes, str), changes
        return load(file, changes, variables={})


def read_scene(scene: str) -> dict[str, Any]:
    """Return the sections of a scene, its data below the folder of real data."""
    import yaml

    sections: dict[str, Any] = yaml.safe_load((CONFIGS / "scenes" / f"{scene}.yaml").read_text())
    if "root" in sections["data"]:
        sections["data"]["root"] = str(data_root() / sections["data"]["root"])
    return sections


def measure(model: str, scene: str, budget_s: float, pictures: Path | None) -> dict[str, Any]:
    """Train and evaluate one cell, in this process."""
    from tests.benchmarks.budget import spend

    picture = None if pictures is None else pictures / f"{scene}_{model}.png"
    found = spend(experiment(model, scene), budget_s, views=EVALUATED_VIEWS, pictures=picture, is_alone=True)
    return {"model": model, "scene": scene, **found}


def fill(document: dict[str, Any], cells: list[tuple[str, str]], options: argparse.Namespace) -> None:
    """Measure the cells that a document does not have, and write it after each."""
    have = {(cell["model"], cell["scene"]) for cell in document["cells"]}
    for model, scene in cells:
        why = SUITED.get((model, scene))
        if (model, scene) in have:
            continue
        if isinstance(why, str):
            document["cells"].append({"model": model, "scene": scene, "left_out": why})
        else:
            print(f"{model} on {scene} …", file=sys.stderr, flush=True)
            argv = [sys.executable, "-m", "tests.benchmarks.models", "--cell", model, scene]
            argv += ["--budget", str(options.budget), *(["--pictures", options.pictures] if options.pictures else [])]
            done = run_program(argv, timeout_s=36000)
            done.check()
            document["cells"].append(json.loads(done.out.splitlines()[-1]))
        if options.out:
            write_json(options.out, document)


def run(device: str, peer: Path | None) -> dict[str, Any]:
    """Measure every cell."""
    del device, peer
    options = argparse.Namespace(budget=BUDGET_S, pictures=None, out=None)
    document: dict[str, Any] = {"cells": []}
    fill(document, [(model, scene) for scene in SCENES for model in MODELS], options)
    return document


def table(document: dict[str, Any]) -> str:
    """Return a document as a table in Markdown."""
    cells = {(cell["model"], cell["scene"]): cell for cell in document["cells"]}
    scenes = [scene for scene in SCENES if any(key[1] == scene for key in cells)]
    models = [model for model in MODELS if any(key[0] == model for key in cells)]
    rows = [f"| model | {' | '.join(scenes)} |", "|---" * (1 + len(scenes)) + "|"]
    rows += [
        f"| {model} | {' | '.join(_cell(cells.get((model, scene), {})) for scene in scenes)} |" for model in models
    ]
    return "\n".join(rows)


def _cell(cell: dict[str, Any]) -> str:
    if "psnr" not in cell:
        return "-"
    memory = f"{cell['memory_bytes'] / 2**20:.0f} MB"
    return f"{cell['psnr']:.1f} dB, {cell['ssim']:.2f}, {cell['train_cpu_s']:.0f} s, {memory}"


def main() -> None:
    """Fill a document, print a table, or measure one cell."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.models", description=__doc__)
    parser.add_argument("--cell", nargs=2, metavar=("MODEL", "SCENE"), help="measure one cell and print it")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="CPU-seconds of training of each cell")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=SCENES)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--out", type=Path, help="document to go on with")
    parser.add_argument("--pictures", help="folder for the first held-out view of each cell: truth, rendering, depth")
    parser.add_argument("--table", type=Path, help="document to print as a table")
    options = parser.parse_args()
    if options.table:
        print(table(read_json(options.table)))
    elif options.cell:
        model, scene = options.cell
        found = measure(model, scene, options.budget, Path(options.pictures) if options.pictures else None)
        print(json.dumps(found))
    else:
        started = options.out is not None and options.out.exists()
        document = read_json(options.out) if started else _new(options.budget)
        fill(document, [(model, scene) for scene in options.scenes for model in options.models], options)
        print(table(document))


def _new(budget_s: float) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    return {"machine": machine("cpu"), "gauges": gauges("cpu"), "budget_s": budget_s, "cells": []}


if __name__ == "__main__":
    main()
