"""Instant-NGP: rendering in training and evaluation, and when its grid is updated."""

from __future__ import annotations

import pytest
import torch

from nsg_cluster.data.batches import RayBatch, RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.build import build_model
from nsg_cluster.models.instant_ngp import InstantNgp
from nsg_cluster.render.rendering import Rendering
from nsg_cluster.sampling.occupancy import OccupancyGrid, OccupancySampler
from tests.training.tiny import tiny

EXPERIMENT = tiny()


@pytest.fixture(scope="module")
def batch() -> RayBatch:
    return RayBatches(load_scene(EXPERIMENT.data).train, "cpu").draw(64, torch.Generator().manual_seed(0))


@pytest.fixture
def model() -> InstantNgp:
    made = build_model(EXPERIMENT.model, load_scene(EXPERIMENT.data), seed=4)
    assert isinstance(made, InstantNgp)
    # A field with some structure, denser than fog.
    with torch.no_grad():
        made.field.grid.table.normal_(generator=torch.Generator().manual_seed(1))
        made.field.density_scale *= 8
    return made


def grid_of(model: InstantNgp) -> OccupancyGrid:
    assert isinstance(model.sampler, OccupancySampler)
    return model.sampler.grid


def render(model: InstantNgp, batch: RayBatch, **settings: object) -> Rendering:
    background = torch.linspace(0, 1, 192).reshape(64, 3)
    return model.render_rays(batch.rays, background=background, **settings)  # type: ignore[arg-type]


def test_training_and_evaluation_render_the_same(model: InstantNgp, batch: RayBatch) -> None:
    with torch.no_grad():
        trained, evaluated = render(model.train(), batch), render(model.eval(), batch)
    assert 0.2 < trained.opacity.mean() < 1
    for name in ("color", "opacity", "depth", "weights"):
        assert torch.allclose(getattr(trained, name), getattr(evaluated, name), atol=1e-5), name


def test_samples_that_no_light_reaches_get_no_gradient_and_hardly_change_the_picture(
    model: InstantNgp, batch: RayBatch
) -> None:
    model.train()
    everything, some = render(model, batch), render(model, batch, transmittance_threshold=1e-2)
    assert len(some.samples) < len(everything.samples)
    assert (some.color - everything.color).abs().max() < 1.1e-2
    some.color.sum().backward()  # type: ignore[no-untyped-call]
    assert model.field.grid.table.grad is not None


def test_jitter_comes_from_the_generator(model: InstantNgp, batch: RayBatch) -> None:
    model.train()
    colors = [render(model, batch, generator=torch.Generator().manual_seed(seed)).color for seed in (1, 1, 2)]
    assert torch.equal(colors[0], colors[1]) and not torch.equal(colors[0], colors[2])


def test_the_grid_is_updated_when_due_every_cell_at_first(model: InstantNgp, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, bool]] = []
    step = [0]
    monkeypatch.setattr(
        grid_of(model), "update", lambda density, generator, *, every_cell: calls.append((step[0], every_cell))
    )
    for step[0] in range(26):
        model.before_step(step[0], torch.Generator())
    assert calls == [(4, True), (8, True), (12, True), (16, True), (20, False), (24, False)]


def test_the_state_holds_the_grid_and_a_loaded_model_renders_the_same(model: InstantNgp, batch: RayBatch) -> None:
    grid_of(model).update(model.field.density, torch.Generator().manual_seed(0), every_cell=True)
    twin = build_model(EXPERIMENT.model, load_scene(EXPERIMENT.data), seed=9)
    assert isinstance(twin, InstantNgp)
    twin.field.density_scale = model.field.density_scale
    twin.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(render(model.eval(), batch).color, render(twin.eval(), batch).color)
