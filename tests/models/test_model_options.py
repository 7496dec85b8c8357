"""Both samplers, contraction, and what is learned about images, in a whole model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from nsg_cluster.config.schema import InstantNgpConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.cameras import Cameras, image_rays
from nsg_cluster.geometry.poses import sphere_views
from nsg_cluster.geometry.rays import Rays
from nsg_cluster.models.build import build_model
from nsg_cluster.models.instant_ngp import InstantNgp
from nsg_cluster.render.rendering import Rendering
from nsg_cluster.sampling.occupancy import OccupancySampler
from nsg_cluster.sampling.proposal import ProposalSampler

SMALL: dict[str, Any] = {
    "kind": "instant_ngp",
    "hash_grid": {"levels": 4, "log2_table_size": 10, "base_resolution": 4, "max_resolution": 32},
    "hidden_width": 16,
    "direction_degree": 2,
    "sampler": {"kind": "occupancy", "resolution": 16, "steps_per_diagonal": 64},
}
PROPOSAL: dict[str, Any] = {
    "kind": "proposal",
    "rounds": [16, 8],
    "samples": 6,
    "hash_grid": {"levels": 2, "log2_table_size": 8, "base_resolution": 4, "max_resolution": 16},
}
EXTRAS: dict[str, Any] = {"appearance": 2, "exposure": True, "poses": {}}


def scene(scale: float = 1.0, *, near: float = 2.0) -> Scene:
    cameras = Cameras(
        camera_to_world=sphere_views(torch.zeros(3), 4.0 * scale, 3, elevations_deg=(0.0, 60.0)),
        focal_px=torch.full((3, 2), 10.0),
        center_px=torch.full((3, 2), 4.0),
        width=8,
        height=8,
    )
    views = Views(cameras=cameras, images=torch.zeros(3, 8, 8, 3, dtype=torch.uint8), names=("a", "b", "c"))
    box = scale * torch.tensor([[-1.5] * 3, [1.5] * 3])
    return Scene(train=views, test=views, box=box, near=near * scale, far=6.0 * scale)


def model(of: Scene | None = None, **changes: Any) -> InstantNgp:
    """Return a model whose densities and colors are far from constant."""
    built = build_model(InstantNgpConfig.model_validate(SMALL | changes), of or scene(), seed=1)
    generator = torch.Generator().manual_seed(0)
    for parameter in built.parameters():
        if parameter is built.field.grid.table:
            parameter.data.uniform_(-1, 1, generator=generator)
    return built


def rays(of: Scene | None = None) -> Rays:
    return image_rays((of or scene()).train.cameras, 1)


def render(built: InstantNgp, of: Rays | None = None, **settings: Any) -> Rendering:
    chosen = of or rays()
    return built.render_rays(chosen, background=torch.zeros_like(chosen.directions), **settings)


@pytest.mark.parametrize("changes", [{}, {"sampler": PROPOSAL}, {"sampler": PROPOSAL, "contraction": "linf"}])
def test_every_part_of_a_model_gets_a_gradient(changes: dict[str, Any]) -> None:
    built = model(**EXTRAS, **changes)
    rendering = render(built, generator=torch.Generator().manual_seed(0))
    assert rendering.opacity.min() >= 0 and rendering.opacity.max() <= 1.001 and rendering.opacity.mean() > 0.1
    loss = rendering.color.square().sum()
    loss = loss + sum(histogram.weights.square().sum() for histogram in rendering.histograms)
    torch.autograd.backward(loss)
    without = [
        name for name, parameter in built.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert not without


@pytest.mark.parametrize("changes", [{}, {"sampler": PROPOSAL}])
def test_evaluation_renders_what_training_does(changes: dict[str, Any]) -> None:
    built = model(**changes)
    trained, evaluated = render(built), render(built.eval())
    assert torch.allclose(trained.color, evaluated.color, atol=1e-5)
    assert torch.allclose(trained.depth, evaluated.depth, atol=1e-4)
    assert not evaluated.color.requires_grad


@pytest.mark.parametrize("changes", [{}, {"sampler": PROPOSAL | {"spacing": "linear"}, "contraction": "l2"}])
def test_gradients_of_poses_agree_with_finite_differences(changes: dict[str, Any]) -> None:
    # Cameras stand inside the box, so that no sample moves along its ray when a pose does.
    inside = replace(scene(), box=torch.tensor([[-9.0] * 3, [9.0] * 3]))
    built = model(inside, poses={}, **changes).double()
    chosen, table = rays(inside), built.per_image
    double = Rays(
        origins=chosen.origins.double(),
        directions=chosen.directions.double(),
        radii=chosen.radii.double(),
        images=chosen.images,
    )
    assert table.turns is not None and table.shifts is not None
    built.field.density_scale = 1.0
    # Proposals are held where they are: samples are constants to the gradient, but not to a difference.
    fixed = built.sampler.place(double, near=2.0, far=6.0)
    built.sampler.place = lambda *_, **__: fixed  # type: ignore[method-assign]

    def loss() -> torch.Tensor:
        return render(built, double).color.sum(1).square().sum()

    torch.autograd.backward(loss())
    for parameter in (table.turns, table.shifts):
        assert parameter.grad is not None and not parameter.grad[[0, 2]].any(), "these cameras were not used"
        for axis in range(3):
            around = []
            for sign in (-1, 1):
                with torch.no_grad():
                    parameter[1, axis] += sign * 1e-6
                    around.append(float(loss()))
                    parameter[1, axis] -= sign * 1e-6
            assert float(parameter.grad[1, axis]) == pytest.approx((around[1] - around[0]) / 2e-6, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    "changes",
    [{}, {"sampler": PROPOSAL, "contraction": "linf"}, {"bound": 4.0}, {"sampler": PROPOSAL | {"dilate": True}}],
)
def test_a_scene_and_its_scaled_copy_look_alike(changes: dict[str, Any]) -> None:
    small, large = (render(model(scene(scale), **changes), rays(scene(scale))) for scale in (1.0, 8.0))
    assert torch.allclose(small.color, large.color, atol=1e-4)
    assert torch.allclose(8 * small.depth, large.depth, atol=1e-2)


def test_the_configuration_chooses_samplers_cascades_and_contraction() -> None:
    wide = model(bound=5.0)
    assert isinstance(wide.sampler, OccupancySampler) and wide.sampler.grid.cascades == 4
    assert torch.equal(wide.field.box, torch.tensor([[-7.5] * 3, [7.5] * 3]))
    endless = model(sampler=PROPOSAL, contraction="l2")
    assert isinstance(endless.sampler, ProposalSampler) and endless.sampler.region is None
    resolutions = [field.grid.layout.max_resolution for field in endless.sampler.fields]  # type: ignore[union-attr]
    assert resolutions == [8, 16]
    with pytest.raises(ConfigError, match=r"model\.sampler\.spacing: 'disparity' .* data\.near is 0"):
        model(scene(near=0.0), sampler=PROPOSAL | {"spacing": "disparity"})


def test_what_no_camera_sees_is_left_out() -> None:
    seeing = model(sampler=SMALL["sampler"] | {"skip_unseen": True})
    assert isinstance(seeing.sampler, OccupancySampler)
    assert 0.1 < seeing.sampler.grid.occupied_share < 1
    for camera in range(3):
        pixels = image_rays(scene().train.cameras, camera)
        samples = seeing.sampler.place(pixels, near=2.0, far=6.0).samples
        assert len(samples) > 0.9 * len(model().sampler.place(pixels, near=2.0, far=6.0).samples)


def test_networks_compute_in_the_precision_asked_for() -> None:
    built = model(sampler=PROPOSAL)
    exact = render(built)
    built.set_precision(torch.bfloat16)
    rounded = render(built)
    assert rounded.color.dtype == torch.float32
    difference = float((exact.color - rounded.color).detach().abs().max())
    assert 1e-5 < difference < 0.1
    torch.autograd.backward(rounded.color.sum())
    weight = built.field.color_network.layers[0].weight
    assert isinstance(weight, torch.nn.Parameter) and weight.grad is not None and weight.grad.dtype == torch.float32
