"""The constants of the presets, each as its source has it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.config.compose import load
from nsg_cluster.config.schema import Experiment

MODELS = Path(__file__).resolve().parents[2] / "configs" / "models"

# The common size of the paper, ngp_pl, nerfacc and nerfacto: L, F, T, N_min; widths and layers; SH degree.
FIELD = {
    "model.hash_grid.levels": 16,
    "model.hash_grid.features": 2,
    "model.hash_grid.log2_table_size": 19,
    "model.hash_grid.base_resolution": 16,
    "model.hidden_width": 64,
    "model.density_hidden_layers": 1,
    "model.color_hidden_layers": 2,
    "model.geometry_features": 15,
    "model.direction_degree": 4,
}
GRID = {
    "model.contraction": "none",
    "model.bound": 1,
    "model.sampler.kind": "occupancy",
    "model.sampler.resolution": 128,
    "model.sampler.update_every": 16,
    "model.sampler.warmup_steps": 256,
    "model.sampler.decay": 0.95,
    "model.sampler.threshold": 0.01,
    "model.sampler.cone_angle": 0,
}
PROPOSALS = {
    "model.sampler.kind": "proposal",
    "model.sampler.rounds": (256, 96),
    "model.sampler.samples": 48,
    "model.sampler.hash_grid.levels": 5,
    "model.sampler.hash_grid.log2_table_size": 17,
    "model.sampler.hash_grid.base_resolution": 16,
    "model.sampler.hash_grid.max_resolution": 256,  # of the second round; the first has 128
    "train.loss.interlevel": 1,
    "train.rays": 4096,
    "train.samples": None,
}
ADAM = {"train.optimizer.learning_rate": 1e-2, "train.optimizer.eps": 1e-15}
STEPS_OF_NERFACC = {
    "train.steps": 20000,
    "train.schedule.kind": "milestones",
    "train.schedule.warmup_steps": 100,
    "train.schedule.milestones": (0.5, 0.75, 0.9),
    "train.schedule.milestone_factor": 0.33,
    "train.loss.photometric": "mse",  # smooth-L1 with its bend at 1 is half of the square for colors
    "train.loss.opacity_entropy": 0,
    "train.optimizer.betas": (0.9, 0.999),
    "train.precision": "float16",
}
NERF = {
    "model.kind": "nerf",
    "model.scale": 1,
    "model.field.width": 256,
    "model.field.hidden_layers": 8,
    "model.field.skip": 4,
    "model.field.color_width": 128,
    "model.field.position_frequencies": 10,
    "model.field.direction_frequencies": 4,
    "model.spacing": "linear",
    "train.rays": 1024,
    "train.background": "white",
    "train.optimizer.learning_rate": 5e-4,
    "train.loss.photometric": "mse",
    "train.loss.coarse": 1,
}
PRESETS: dict[str, dict[str, Any]] = {
    "ngp_pl": FIELD
    | GRID
    | ADAM
    | {
        "model.hash_grid.max_resolution": 1024,  # 2048 times a scale of 0.5
        "model.sampler.steps_per_diagonal": 1024,
        "model.sampler.skip_unseen": True,
        "train.steps": 30000,
        "train.rays": 8192,
        "train.samples": None,
        "train.background": "white",
        "train.transmittance_threshold": 1e-4,
        "train.precision": "float16",
        "train.optimizer.betas": (0.9, 0.999),
        "train.schedule.kind": "cosine",
        "train.schedule.final_factor": pytest.approx(1 / 30, rel=1e-3),
        "train.loss.photometric": "mse",
        "train.loss.opacity_entropy": 1e-3,
        "train.loss.distortion": 0,
    },
    "instant_ngp": FIELD
    | GRID
    | ADAM
    | {
        "model.hash_grid.max_resolution": 2048,
        "model.sampler.steps_per_diagonal": 1024,
        "train.rays": 4096,
        "train.samples": 1 << 18,
        "train.background": "random",
        "train.transmittance_threshold": 1e-4,
        "train.optimizer.betas": (0.9, 0.99),
        "train.optimizer.weight_decay": 1e-6,
        "train.schedule.kind": "milestones",
        "train.schedule.milestone_factor": 0.33,
        "train.ema_decay": 0.95,
    },
    "nerfacc_occ": FIELD
    | GRID
    | ADAM
    | STEPS_OF_NERFACC
    | {
        "model.hash_grid.max_resolution": 4096,
        "train.rays": 1024,
        "train.samples": 1 << 18,
        "train.background": "white",
        "train.optimizer.weight_decay": 1e-6,
    },
    "nerfacc_nerf": {
        "model.kind": "nerf",
        "model.field.width": 256,
        "model.field.hidden_layers": 8,
        "model.sampler.kind": "occupancy",
        "model.sampler.resolution": 128,
        "model.sampler.steps_per_diagonal": 1024,
        "train.steps": 50000,
        "train.samples": 1 << 16,
        "train.optimizer.learning_rate": 5e-4,
        "train.schedule.milestone_factor": 0.33,
        "train.loss.photometric": "mse",
    },
    "nerfacc_prop": FIELD
    | PROPOSALS
    | ADAM
    | STEPS_OF_NERFACC
    | {
        "model.contraction": "l2",
        "model.hash_grid.max_resolution": 4096,
        "model.sampler.spacing": "disparity",
        "model.sampler.anneal_steps": 0,
        "model.sampler.padding": 0,
        "model.sampler.hidden_width": 64,
        "train.background": "random",
        "train.loss.distortion": 0,
    },
    "nerfacto": FIELD
    | PROPOSALS
    | ADAM
    | {
        "model.contraction": "linf",
        "model.hash_grid.max_resolution": 2048,
        "model.sampler.spacing": "piecewise",
        "model.sampler.anneal_steps": 1000,
        "model.sampler.anneal_slope": 10,
        "model.sampler.padding": 0.01,
        "model.sampler.hidden_width": 16,
        "model.appearance": 32,
        "model.poses.rate": 1e-3,
        "model.poses.final_rate": 1e-4,
        "model.poses.decay_steps": 5000,
        "train.steps": 30000,
        "train.precision": "float16",
        "train.schedule.kind": "exponential",
        "train.schedule.final_factor": pytest.approx(0.01 ** (30000 / 200000), rel=1e-3),
        "train.loss.photometric": "mse",
        "train.loss.distortion": 0.002,
    },
    "nerf_pytorch": NERF
    | {
        "model.samples": 64,
        "model.fine_samples": 128,
        "train.pixels": "one_image",
        "train.center_crop.steps": 500,
        "train.center_crop.fraction": 0.5,
        "train.schedule.kind": "exponential",
        "train.schedule.final_factor": pytest.approx(0.1 ** (200000 / 500000), rel=1e-3),
    },
    "nerf_pl": NERF
    | {
        "model.samples": 64,
        "model.fine_samples": 64,
        "train.pixels": "uniform",
        "train.steps": 16 * 15625,
        "train.schedule.kind": "milestones",
        "train.schedule.milestones": (2 / 16, 4 / 16, 8 / 16),
        "train.schedule.milestone_factor": 0.5,
    },
    "mipnerf": {
        "model.field.width": 256,
        "model.field.hidden_layers": 8,
        "model.field.frequencies": 16,
        "model.field.direction_frequencies": 4,
        "model.field.directions": "axes",
        "model.field.density_bias": -1,
        "model.field.rgb_padding": 1e-3,
        "model.samples": 128,
        "model.padding": 0.01,
        "train.rays": 4096,
        "train.loss.coarse": 0.1,
        "train.schedule.final_factor": pytest.approx(5e-6 / 5e-4),
    },
    "refnerf": {
        "model.kind": "mipnerf",
        "model.field.width": 256,
        "model.field.hidden_layers": 8,
        "model.field.frequencies": 16,
        "model.field.directions": "axes",
        "model.field.density_bias": 0.5,
        "model.field.rgb_padding": 1e-3,
        "model.field.bottleneck": 128,
        "model.field.color_width": 128,
        "model.field.normals": "predicted",
        "model.field.reflections.levels": 5,
        "model.field.reflections.color_layers": 8,
        "model.field.reflections.bottleneck_noise": 0,
        "model.field.reflections.srgb": True,
        "model.samples": 128,
        "model.spacing": "linear",
        "model.padding": 0.01,
        "train.steps": 250000,
        "train.rays": 16384,
        "train.pixels": "one_image",
        "train.background": "white",
        "train.optimizer.learning_rate": 2e-3,
        "train.optimizer.eps": 1e-8,
        "train.optimizer.max_grad_norm": 1e-3,
        "train.schedule.warmup": "delay",
        "train.schedule.warmup_steps": 512,
        "train.schedule.warmup_from": 0.01,
        "train.schedule.final_factor": pytest.approx(2e-5 / 2e-3),
        "train.loss.photometric": "mse",
        "train.loss.coarse": 0.1,
        "train.loss.distortion": 0,
        "train.loss.orientation": 0.1,
        "train.loss.predicted_normals": 3e-4,
    },
    "multinerf_360": {
        "model.field.width": 1024,
        "model.field.hidden_layers": 8,
        "model.field.skip_every": 4,
        "model.field.bottleneck": 256,
        "model.field.color_width": 128,
        "model.field.frequencies": 12,
        "model.field.directions": "icosahedron",
        "model.field.rgb_padding": 1e-3,
        "model.proposal_width": 256,
        "model.proposal_layers": 4,
        "model.rounds": (64, 64),
        "model.samples": 32,
        "model.contraction": "l2",
        "model.spacing": "disparity",
        "model.anneal_steps": 250000,
        "model.anneal_slope": 10,
        "model.dilate": True,
        "model.is_opaque": True,
        "train.steps": 250000,
        "train.rays": 16384,
        "train.optimizer.learning_rate": 2e-3,
        "train.optimizer.eps": 1e-6,
        "train.optimizer.max_grad_norm": 1e-3,
        "train.schedule.warmup": "delay",
        "train.schedule.warmup_steps": 512,
        "train.schedule.warmup_from": 0.01,
        "train.schedule.final_factor": pytest.approx(2e-5 / 2e-3),
        "train.loss.photometric": "charbonnier",
        "train.loss.distortion": 0.01,
        "train.loss.interlevel": 1,
    },
    "mipnerf360_small": {"model.field.width": 256, "model.field.hidden_layers": 8, "model.rounds": (64, 64)},
}


def preset(name: str, folder: Path) -> Experiment:
    path = folder / "experiment.yaml"
    path.write_text(f"extends: {MODELS / name}.yaml\nname: x\ndata: {{kind: synthetic}}\n")
    return load(path, variables={})


def value(experiment: Experiment, key: str) -> Any:
    found: Any = experiment
    for part in key.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_constants_of_its_source(name: str, tmp_path: Path) -> None:
    experiment = preset(name, tmp_path)
    assert {key: value(experiment, key) for key in PRESETS[name]} == PRESETS[name]


def test_constants_in_other_units_are_those_of_their_sources(tmp_path: Path) -> None:
    instant_ngp = preset("instant_ngp", tmp_path).train
    assert [round(part * instant_ngp.steps, -2) for part in instant_ngp.schedule.milestones] == [20000, 30000]
    box = 2 * 1.5 * math.sqrt(3)
    step = box / value(preset("nerfacc_occ", tmp_path), "model.sampler.steps_per_diagonal")
    assert step == pytest.approx(5e-3, rel=1e-3)
