"""The table of models and scenes: every cell can be read, and what was measured is printed."""

from __future__ import annotations

import pytest

from tests.benchmarks.models import CONFIGS, MODELS, SCENES, SUITED, experiment, table

CELLS = [(model, scene) for scene in SCENES for model in MODELS]


@pytest.mark.parametrize("scene", SCENES)
def test_every_model_of_a_scene_is_an_experiment_or_left_out_with_a_reason(scene: str) -> None:
    for model in MODELS:
        why = SUITED.get((model, scene))
        if not isinstance(why, str):
            made = experiment(model, scene)
            assert made.name == f"{model}.{scene}" and made.train.threads == 1


def test_the_folders_hold_the_models_and_scenes_of_the_table() -> None:
    assert {path.stem for path in (CONFIGS / "models").iterdir()} == set(MODELS)
    assert {path.stem for path in (CONFIGS / "scenes").iterdir()} == set(SCENES)
    assert set(SUITED) <= set(CELLS)


def test_a_document_becomes_a_table() -> None:
    measured = {"psnr": 25.04, "ssim": 0.8, "train_cpu_s": 29.6, "memory_bytes": 3 << 20}
    cells = [
        {"model": "nerf_small", "scene": "toybox", **measured},
        {"model": "nerf_small", "scene": "fox", "left_out": "why"},
        {"model": "mipnerf_small", "scene": "toybox", **measured},
    ]
    assert table({"cells": cells}).splitlines() == [
        "| model | toybox | fox |",
        "|---|---|---|",
        "| nerf_small | 25.0 dB, 0.80, 30 s, 3 MB | - |",
        "| mipnerf_small | 25.0 dB, 0.80, 30 s, 3 MB | - |",
    ]
