"""mip-NeRF and mip-NeRF 360: as large as in the papers' programs, told what they should be, and able to learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from nsg_cluster.config.data import SyntheticData
from nsg_cluster.config.memory_mip import mip_floats_of_a_ray, mip_parameters
from nsg_cluster.config.mip import MipNerf360Config, MipNerfConfig
from nsg_cluster.config.schema import ModelConfig
from nsg_cluster.config.training import LossConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.procedural.synthetic import load_synthetic
from nsg_cluster.data.scene import Scene
from nsg_cluster.fields.mip import MipReflectingField
from nsg_cluster.fields.reflections import ReflectedColors
from nsg_cluster.geometry.rays import Rays
from nsg_cluster.models.base import Model
from nsg_cluster.models.build import build_model
from nsg_cluster.models.build_mip import build_mipnerf360
from nsg_cluster.models.mipnerf import MipNerf, MipNerf360
from nsg_cluster.training.losses import orientation
from nsg_cluster.training.objective import score

FIELD = {"width": 32, "hidden_layers": 3, "bottleneck": 16, "color_width": 16, "frequencies": 6}
SMALL: dict[str, dict[str, Any]] = {
    "mipnerf": {"kind": "mipnerf", "field": FIELD, "samples": 16},
    "mipnerf360": {
        "kind": "mipnerf360",
        "field": {**FIELD, "directions": "icosahedron"},
        "proposal_width": 16,
        "proposal_layers": 2,
        "rounds": (16, 16),
        "samples": 8,
        "spacing": "linear",
        "contraction": "none",
        "is_opaque": False,
        "anneal_steps": 0,
    },
}


@pytest.fixture(scope="module")
def scene() -> Scene:
    return load_synthetic(SyntheticData(image_size=16, train_views=12, test_views=2, supersample=1))


def config(kind: str, **changes: Any) -> ModelConfig:
    parsed: ModelConfig = TypeAdapter(ModelConfig).validate_python({**SMALL[kind], **changes})
    return parsed


def built(kind: str, scene: Scene, **changes: Any) -> Model:
    return build_model(config(kind, **changes), scene, seed=1)


def some_rays(scene: Scene, count: int = 64) -> tuple[Rays, Tensor]:
    """Rays of training pixels, and their colors over white."""
    batch = RayBatches(scene.train, "cpu").draw(count, torch.Generator().manual_seed(0))
    return batch.rays, batch.over(torch.ones(count, 3))


def test_mip_nerf_360_has_as_many_parameters_as_multinerf(scene: Scene) -> None:
    full = MipNerf360Config(kind="mipnerf360")
    assert sum(parameter.numel() for parameter in build_mipnerf360(full, scene).parameters()) == 9_007_493
    assert mip_parameters(full) == 9_007_493


@pytest.mark.parametrize("kind", SMALL)
def test_parameters_are_counted_before_anything_is_built(scene: Scene, kind: str) -> None:
    deep = {**FIELD, "hidden_layers": 6, "skip_every": 2}
    reflecting = {**deep, "normals": "predicted", "reflections": {"levels": 3, "color_layers": 5}}
    uncolored = {**FIELD, "direction_frequencies": None}
    for changes in ({}, {"field": deep}, {"field": uncolored}, {"field": reflecting}):
        parsed = config(kind, **changes)
        assert isinstance(parsed, MipNerfConfig | MipNerf360Config)
        counted = sum(parameter.numel() for parameter in build_model(parsed, scene).parameters())
        assert mip_parameters(parsed) == counted
        assert mip_floats_of_a_ray(parsed) > 0


@pytest.mark.parametrize("kind", SMALL)
def test_rendering_is_the_same_for_the_same_jitter_and_for_rays_in_parts(scene: Scene, kind: str) -> None:
    model = built(kind, scene)
    rays, white = some_rays(scene)[0], torch.ones(64, 3)
    model.eval()
    with torch.no_grad():
        whole = model.render_rays(rays, background=white).color
        parts = [model.render_rays(rays[part], background=white[part]).color for part in (slice(0, 20), slice(20, 64))]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-4, atol=1e-5)
    model.train()
    drawn = [
        model.render_rays(rays, background=white, generator=torch.Generator().manual_seed(seed)).color
        for seed in (5, 5, 6)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("normals", ["untrained", "density"])
def test_noise_is_added_to_the_density_in_training_alone_and_is_that_of_the_generator(
    scene: Scene, kind: str, normals: str
) -> None:
    rays, white = some_rays(scene)[0], torch.ones(64, 3)
    field = {**SMALL[kind]["field"], "normals": normals}
    quiet, noisy = built(kind, scene, field=field), built(kind, scene, field={**field, "density_noise": 2.0})

    def weights(model: Model, seed: int | None) -> Tensor:
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return model.render_rays(rays, background=white, generator=generator).weights.detach()

    assert torch.equal(weights(noisy, 5), weights(noisy, 5))
    assert not torch.equal(weights(noisy, 5), weights(noisy, 6))
    assert float((weights(noisy, 5) - weights(quiet, 5)).abs().mean()) > 0.01
    assert torch.equal(weights(noisy, None), weights(quiet, None)), "train.jitter: false"
    assert torch.equal(weights(noisy.eval(), 5), weights(quiet.eval(), 5))


def test_noise_stands_before_the_softplus_and_has_the_deviation_asked_for(scene: Scene) -> None:
    model = built("mipnerf", scene, scale=2.0, field={**FIELD, "density_noise": 3.0, "density_bias": 0.5})
    assert isinstance(model, MipNerf)
    torch.nn.init.zeros_(model.field.density_head.weight)
    rays = some_rays(scene)[0]
    samples = model.render_rays(rays, background=torch.ones(64, 3)).samples
    density, _ = model.field(rays, samples, generator=torch.Generator().manual_seed(0))
    drawn = torch.randn(len(density), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(density, torch.nn.functional.softplus(3 * drawn + 0.5) / 2)


@pytest.mark.parametrize("kind", SMALL)
def test_colors_depend_on_the_direction_of_view_unless_the_network_is_not_told_it(
    scene: Scene, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rays, white = some_rays(scene)[0], torch.ones(64, 3)
    points, directions = rays.origins + rays.directions, rays.view_directions
    for frequencies in (4, 0, None):
        field = {**SMALL[kind]["field"], "direction_frequencies": frequencies}
        model = built(kind, scene, field=field).eval()
        seen, probed = [], []
        for told in (directions, -directions):
            with monkeypatch.context() as patch:
                patch.setattr(Rays, "view_directions", told)
                seen.append(model.render_rays(rays, background=white).color)
            probed.append(model.probe(points, told)[1])
        assert torch.equal(*seen) == torch.equal(*probed) == (frequencies is None)


@pytest.mark.parametrize("kind", SMALL)
def test_a_wide_cone_sees_less_detail_than_a_narrow_one(scene: Scene, kind: str) -> None:
    model = built(kind, scene, field={**FIELD, "frequencies": 10})
    rays = some_rays(scene)[0]
    with torch.no_grad():
        spread = [
            model.eval().render_rays(replace(rays, radii=rays.radii * wide), background=torch.zeros(64, 3)).color.std()
            for wide in (0.01, 300.0)
        ]
    assert float(spread[1]) < float(spread[0])


@pytest.mark.parametrize("kind", SMALL)
def test_a_few_steps_of_training_bring_the_colors_nearer(scene: Scene, kind: str) -> None:
    model = built(kind, scene).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for step in range(60):
        generator = torch.Generator().manual_seed(step)
        batch = RayBatches(scene.train, "cpu").draw(128, generator)
        model.before_step(step, generator)
        white = torch.ones(128, 3)
        rendering = model.render_rays(batch.rays, background=white, generator=generator)
        scored = score(LossConfig(photometric="mse", opacity_entropy=0, coarse=0.1), rendering, batch.over(white))
        optimizer.zero_grad()
        scored.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(scored.squared_error))
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert set(scored.terms) == {"photometric", "coarse" if kind == "mipnerf" else "interlevel"}
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_last_interval_of_an_opaque_scene_takes_all_the_light(scene: Scene) -> None:
    model = built("mipnerf360", scene, is_opaque=True, contraction="l2", spacing="disparity")
    rays = some_rays(scene)[0]
    rendering = model.render_rays(rays, background=torch.zeros(64, 3), generator=torch.Generator())
    torch.testing.assert_close(rendering.opacity, torch.ones(64), rtol=0, atol=1e-5)
    (gradient,) = torch.autograd.grad(rendering.color.sum(), [next(iter(model.parameters()))])
    assert bool(gradient.isfinite().all())


def test_what_does_not_fit_the_scene_is_refused(scene: Scene) -> None:
    at_zero = replace(scene, near=0.0)
    for kind in SMALL:
        with pytest.raises(ConfigError, match=r"model\.spacing: 'disparity'"):
            build_model(config(kind, spacing="disparity"), at_zero)
    warped = replace(scene, train=replace(scene.train, cameras=replace(scene.train.cameras, ndc=True)))
    with pytest.raises(ConfigError, match=r"data\.space: 'ndc'"):
        build_model(config("mipnerf"), warped)


@pytest.mark.parametrize("kind", SMALL)
def test_normals_are_trained_through_the_gradient_of_the_density(scene: Scene, kind: str) -> None:
    rays, truth = some_rays(scene)
    background = torch.ones(64, 3)
    with_normals = built(kind, scene, field={**SMALL[kind]["field"], "normals": "density"}).train()
    plain = built(kind, scene).train()
    found, without = (model.render_rays(rays, background=background) for model in (with_normals, plain))
    assert torch.allclose(found.color, without.color) and without.normals is None
    assert found.normals is not None and found.normals.mismatch is None
    # The field and the model agree on what a normal is.
    assert isinstance(with_normals, MipNerf | MipNerf360)
    normals = with_normals.normals(rays, found.samples)
    along = (normals * rays.directions[found.samples.rays]).sum(dim=1)
    torch.testing.assert_close(found.normals.along.detach(), along, rtol=1e-3, atol=1e-4)
    only = LossConfig(photometric="mse", opacity_entropy=0, orientation=1.0, coarse=0, interlevel=0)
    terms = score(only, found, truth).terms
    assert set(terms) == {"photometric", "orientation"} and float(terms["orientation"].detach()) > 0
    (slope,) = torch.autograd.grad(terms["orientation"], [next(iter(with_normals.field.trunk.parameters()))])
    assert float(slope.abs().max()) > 0
    assert with_normals.eval().render_rays(rays, background=background).normals is None


def test_orientation_turns_surfaces_towards_the_cameras(scene: Scene) -> None:
    seen_from_behind = []
    for weight in (0.0, 1.0):
        model = built("mipnerf", scene, field={**FIELD, "normals": "density"}).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        loss = LossConfig(photometric="mse", opacity_entropy=0, coarse=0.1, orientation=weight)
        for step in range(60):
            generator = torch.Generator().manual_seed(step)
            batch = RayBatches(scene.train, "cpu").draw(64, generator)
            rendering = model.render_rays(batch.rays, background=torch.ones(64, 3), generator=generator)
            optimizer.zero_grad()
            score(loss, rendering, batch.over(torch.ones(64, 3))).loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        rendering = model.render_rays(some_rays(scene)[0], background=torch.ones(64, 3))
        assert rendering.normals is not None
        seen_from_behind.append(float(orientation(rendering.weights, rendering.normals.along, 64).detach()))
    assert seen_from_behind[1] < 0.5 * seen_from_behind[0]


def test_predicted_normals_come_to_agree_with_those_of_the_density(scene: Scene) -> None:
    model = built("mipnerf", scene, field={**FIELD, "normals": "predicted"}).train()
    assert isinstance(model, MipNerf) and model.field.normal_head is not None
    rays, truth = some_rays(scene)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    loss = LossConfig(photometric="mse", opacity_entropy=0, coarse=0.1, orientation=0.1, predicted_normals=0.1)
    found = []
    for _ in range(30):
        scored = score(loss, model.render_rays(rays, background=torch.ones(64, 3)), truth)
        optimizer.zero_grad()
        scored.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found.append(float(scored.terms["predicted_normals"].detach()))
    assert found[-1] < 0.5 * found[0]
    normals = model.eval().normals(rays, model.render_rays(rays, background=torch.ones(64, 3)).samples)
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(len(normals)))


def reflecting(kind: str, scene: Scene, normals: str = "predicted", **changes: Any) -> MipNerf | MipNerf360:
    field = {**SMALL[kind]["field"], "normals": normals, "reflections": {"color_layers": 2, **changes}}
    model = built(kind, scene, field=field)
    assert isinstance(model, MipNerf | MipNerf360)
    return model


def colors_of(model: MipNerf | MipNerf360) -> ReflectedColors:
    assert isinstance(model.field, MipReflectingField)
    return model.field.colors


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("normals", ["predicted", "density"])
def test_a_model_that_reflects_learns_all_of_its_parts_and_renders_alike_with_and_without_gradients(
    scene: Scene, kind: str, normals: str
) -> None:
    model = reflecting(kind, scene, normals).train()
    rays, truth = some_rays(scene)
    rendering = model.render_rays(rays, background=torch.ones(64, 3))
    score(LossConfig(photometric="mse"), rendering, truth).loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
    with torch.no_grad():
        evaluated = model.eval().render_rays(rays, background=torch.ones(64, 3))
        density, color = model.probe(rays.origins + 4 * rays.directions, rays.view_directions)
    torch.testing.assert_close(evaluated.color, rendering.color.detach(), rtol=1e-4, atol=1e-5)
    assert not any(found.requires_grad for found in (evaluated.color, evaluated.weights, density, color))
    middle = (evaluated.samples.starts + evaluated.samples.ends)[:9] / 2
    assert (
        model.normals(rays, evaluated.samples).shape == (len(evaluated.samples.starts), 3) and middle.isfinite().all()
    )


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("normals", ["predicted", "density"])
def test_a_model_reflects_at_its_own_normals(scene: Scene, kind: str, normals: str) -> None:
    model = reflecting(kind, scene, normals).eval()
    rays, told = some_rays(scene)[0], []
    colors_of(model).register_forward_pre_hook(lambda _, arguments: told.append(arguments[1:3]))
    samples = model.render_rays(rays, background=torch.ones(64, 3)).samples
    directions, reflecting_at = told[-1]
    assert torch.equal(directions, rays.view_directions[samples.rays])
    torch.testing.assert_close(reflecting_at, model.normals(rays, samples), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", SMALL)
def test_noise_on_the_bottleneck_is_for_training_alone(scene: Scene, kind: str) -> None:
    rays, white = some_rays(scene)[0], torch.ones(64, 3)
    quiet, noisy = reflecting(kind, scene), reflecting(kind, scene, bottleneck_noise=1.0)

    def color(model: Model, seed: int | None) -> Tensor:
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return model.render_rays(rays, background=white, generator=generator).color.detach()

    assert torch.equal(color(noisy, 5), color(noisy, 5))
    assert not torch.equal(color(noisy, 5), color(noisy, 6))
    assert not torch.equal(color(noisy, 5), color(quiet, 5))
    assert torch.equal(color(noisy, None), color(quiet, None)), "train.jitter: false"
    assert torch.equal(color(noisy.eval(), 5), color(quiet.eval(), 5))


def test_a_model_that_reflects_computes_in_the_precision_asked_for(scene: Scene) -> None:
    rays, white = some_rays(scene)[0], torch.ones(64, 3)
    for normals in ("predicted", "density"):
        model = reflecting("mipnerf360", scene, normals).train()
        exact = model.render_rays(rays, background=white).color.detach()
        for precision in (torch.float16, torch.bfloat16):
            model.set_precision(precision)
            rounded = model.render_rays(rays, background=white).color
            assert rounded.dtype == torch.float32
            assert 1e-6 < float((rounded.detach() - exact).abs().max()) < 0.1
            (slope,) = torch.autograd.grad(rounded.sum(), [colors_of(model).head.weight])
            assert slope.isfinite().all() and slope.any()


def test_light_added_up_is_brighter_where_it_is_stored_by_the_curve_of_srgb(scene: Scene) -> None:
    rays = some_rays(scene)[0]
    linear, stored = (
        reflecting("mipnerf", scene, srgb=srgb).render_rays(rays, background=torch.zeros(64, 3)).color.detach()
        for srgb in (False, True)
    )
    assert (stored >= linear).all() and float((stored - linear).mean()) > 0.01


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("normals", ["predicted", "density"])
def test_materials_are_what_colors_are_put_together_from(scene: Scene, kind: str, normals: str) -> None:
    model = reflecting(kind, scene, normals, srgb=False).eval()
    rays = some_rays(scene)[0]
    with torch.no_grad():
        samples = model.render_rays(rays, background=torch.ones(64, 3)).samples
        found = model.materials(rays, samples)
        _, color = model.field(rays, samples)
    padding = model.field.rgb_padding
    total = (found.diffuse + found.reflected).clamp(max=1) * (1 + 2 * padding) - padding
    torch.testing.assert_close(total, color, rtol=1e-4, atol=1e-5)
    assert (found.roughness > 0).all() and not found.roughness.requires_grad
