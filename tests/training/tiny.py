"""An experiment that trains in a moment, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from nsg_cluster.config.schema import Experiment

TINY: dict[str, Any] = {
    "name": "tiny",
    "data": {
        "kind": "synthetic",
        "scene": "toybox",
        "image_size": 16,
        "train_views": 6,
        "test_views": 1,
        "supersample": 1,
    },
    "model": {
        "kind": "instant_ngp",
        "hash_grid": {
            "levels": 4,
            "log2_table_size": 10,
            "base_resolution": 4,
            "max_resolution": 32,
        },
        "hidden_width": 16,
        "direction_degree": 2,
        "sampler": {
            "kind": "occupancy",
            "resolution": 16,
            "update_every": 4,
            "warmup_steps": 16,
            "steps_per_diagonal": 48,
        },
    },
    "train": {
        "steps": 60,
        "rays": 64,
        "samples": 2048,
        "device": "cpu",
        "threads": 1,
        "log_every": 10,
        "preview_every": 25,
        "schedule": {"warmup_steps": 5},
    },
}

# Every part of a training that has a state of its own, at once.
ALL_OPTIONS: dict[str, Any] = {
    "model": {
        "sampler": {
            "kind": "proposal",
            "rounds": [16, 8],
            "samples": 6,
            "hash_grid": {"levels": 2, "log2_table_size": 8, "base_resolution": 4, "max_resolution": 16},
            "anneal_steps": 100,
            "dilate": True,
        },
        "contraction": "l2",
        "appearance": 2,
        "exposure": True,
        "poses": {},
    },
    "train": {
        "pixels": "error_map",
        "ema_decay": 0.95,
        "precision": "bfloat16",
        "samples": 512,
        "loss": {"distortion": 1e-3},
        "optimizer": {"lookahead": {"every": 3}},
    },
}


def tiny(**changes: Any) -> Experiment:
    """Return the experiment with changes such as ``train={"steps": 20}``, merged section by section."""
    document = {key: changes.get(key, value) for key, value in TINY.items()}
    for key, value in changes.items():
        base = TINY.get(key)
        document[key] = {**base, **value} if isinstance(base, dict) and isinstance(value, dict) else value
    return Experiment.model_validate(document)


def many(**changes: Any) -> Experiment:
    """Return the experiment with two processes and other changes of ``train``."""
    return tiny(train={"processes": 2, "threads": 2, "steps": 12, **changes})
