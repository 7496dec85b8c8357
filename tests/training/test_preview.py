"""Previews of a held-out view."""

from __future__ import annotations

import torch

from nsg_cluster.config.schema import EvaluateConfig
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.build import build_model
from nsg_cluster.training import preview
from nsg_cluster.training.preview import PreviewView
from tests.training.tiny import tiny


def test_a_preview_shows_the_truth_beside_the_rendering() -> None:
    experiment = tiny(data={"image_size": 160})
    scene = load_scene(experiment.data)
    model = build_model(experiment.model, scene).train()
    seen = PreviewView(scene.test, EvaluateConfig(chunk=1000), torch.device("cpu")).render(model)
    assert model.training
    assert seen.image.shape == (80, 160, 3), f"every second pixel, at most {preview.LONGER_SIDE_PX} of them"
    alpha = scene.test.images[0, ::2, ::2, 3:].float() / 255
    truth = scene.test.images[0, ::2, ::2, :3].float() * alpha + 255 * (1 - alpha)
    difference = torch.from_numpy(seen.image[:, 80:]).float() - truth
    assert difference.abs().max() <= 1
    assert 0 < seen.psnr < 30
