"""Whole images."""

from __future__ import annotations

import pytest
import torch

from nsg_cluster.config.schema import SyntheticData
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.procedural.synthetic import load_synthetic
from nsg_cluster.render.image import render_image
from tests.render.exact import ExactToybox

SCENE = load_synthetic(SyntheticData(image_size=20, train_views=2, test_views=2, supersample=1))


@pytest.mark.parametrize("background", [0.0, 1.0])
def test_an_exact_model_renders_the_true_image_and_depth(background: float) -> None:
    rendering = render_image(ExactToybox(), SCENE.test.cameras, 1, background=background, chunk=100)
    batch = RayBatches(SCENE.test, "cpu").image(1)
    truth = batch.over(torch.full((400, 3), background)).view(20, 20, 3)
    torch.testing.assert_close(rendering.color, truth, rtol=0, atol=0.5 / 255 + 1e-6)
    assert torch.equal(rendering.opacity, batch.alpha.view(20, 20))
    assert SCENE.test.depth is not None
    depth = SCENE.test.depth[1]
    assert torch.equal(rendering.depth, depth.where(depth.isfinite(), torch.zeros(())))


def test_no_more_rays_than_a_chunk_are_rendered_at_once_and_the_image_does_not_depend_on_it() -> None:
    model = ExactToybox()
    whole = render_image(model, SCENE.test.cameras, 0, background=1.0, chunk=400)
    parts = render_image(model, SCENE.test.cameras, 0, background=1.0, chunk=150, transmittance_threshold=0.25)
    assert model.calls == [400, 150, 150, 100]
    assert model.thresholds == {0.0, 0.25}
    for name in ("color", "opacity", "depth"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_an_image_that_is_higher_than_wide_keeps_its_shape() -> None:
    cameras = SCENE.test.cameras.resized(width=5, height=9)
    rendering = render_image(ExactToybox(), cameras, 0, background=0.0, chunk=64)
    assert rendering.color.shape == (9, 5, 3)
    assert rendering.depth.shape == rendering.opacity.shape == (9, 5)
