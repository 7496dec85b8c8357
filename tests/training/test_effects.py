"""What the options of a training are for, each shown on a scene where it matters."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.cameras import Cameras
from nsg_cluster.geometry.rotations import rotated
from nsg_cluster.training.state import State, new_state
from nsg_cluster.training.step import take_step
from tests.data.layouts import developed
from tests.training.tiny import tiny

CPU = torch.device("cpu")
OCCUPANCY = {"kind": "occupancy", "resolution": 32, "update_every": 8, "warmup_steps": 64, "steps_per_diagonal": 96}
PROPOSAL = {
    "kind": "proposal",
    "rounds": [32, 16],
    "samples": 12,
    "hash_grid": {"levels": 3, "log2_table_size": 10, "base_resolution": 4, "max_resolution": 32},
    "anneal_steps": 50,
}
MODEL: dict[str, Any] = {
    "kind": "instant_ngp",
    "hash_grid": {"levels": 6, "log2_table_size": 12, "base_resolution": 4, "max_resolution": 64},
    "hidden_width": 16,
    "direction_degree": 2,
    "sampler": OCCUPANCY,
}


def experiment(model: dict[str, Any] | None = None, steps: int = 50) -> Experiment:
    train = {"steps": steps, "samples": 6144, "rays": 256, "optimizer": {"learning_rate": 2e-2}}
    train["schedule"] = {"warmup_steps": 10, "final_factor": 0.2}
    return tiny(data={"image_size": 32, "train_views": 20, "supersample": 2}, model=MODEL | (model or {}), train=train)


def trained(of: Experiment, scene: Scene | None = None) -> tuple[State, float]:
    """Train, and return the PSNR of the held-out view."""
    torch.set_num_threads(1)
    scene = scene or load_scene(of.data)
    state, batches = new_state(of, scene, CPU), RayBatches(scene.train, CPU)
    while state.step < of.train.steps:
        take_step(of, batches, state)
    view = RayBatches(scene.test, CPU).image(0)
    white = torch.ones_like(view.color)
    rendering = state.model.eval().render_rays(view.rays, background=white)
    state.model.train()
    return state, -10 * math.log10(float((rendering.color - view.over(white)).square().mean()))


@pytest.mark.parametrize(
    "model",
    [{}, {"bound": 2.0, "sampler": OCCUPANCY | {"cone_angle": 1 / 64}}, {"sampler": PROPOSAL},
     {"sampler": PROPOSAL | {"dilate": True}, "contraction": "l2"}, {"contraction": "linf"}],
    ids=["occupancy", "cascades", "proposal", "proposal-contracted", "occupancy-contracted"],
)  # fmt: skip
def test_every_sampler_learns_the_scene_of_the_quickstart(model: dict[str, Any]) -> None:
    assert trained(experiment(model))[1] > 15, "a plain white picture has 9"


def shift_poses(cameras: Cameras, count: int) -> Cameras:
    """Return cameras of which the first few were turned by 3 degrees and moved by 0.06."""
    generator = torch.Generator().manual_seed(0)
    turns, shifts = (
        size * torch.nn.functional.normalize(torch.randn(len(cameras), 3, generator=generator))
        for size in (math.radians(3.0), 0.06)
    )
    turns[count:], shifts[count:] = 0, 0
    axes = cameras.camera_to_world[:, :, :3].transpose(1, 2).flatten(0, 1)
    turned = rotated(axes, turns.repeat_interleave(3, 0)).view(-1, 3, 3).transpose(1, 2)
    position = cameras.camera_to_world[:, :, 3] + shifts
    return replace(cameras, camera_to_world=torch.cat([turned, position[:, :, None]], dim=2))


def error_px(cameras: Cameras, truth: Cameras) -> torch.Tensor:
    """Return for each image how far points of the scene appear from where they should, on average."""
    generator = torch.Generator().manual_seed(1)
    points = torch.nn.functional.normalize(torch.randn(200, 3, generator=generator)) * 0.8

    def pixels(of: Cameras) -> torch.Tensor:
        pose = of.camera_to_world
        local = (points[None] - pose[:, None, :, 3]) @ pose[:, :, :3]
        return of.focal_px[:, None] * local[:, :, :2] / -local[:, :, 2:]

    distance: torch.Tensor = (pixels(cameras) - pixels(truth)).norm(dim=2).mean(1)
    return distance


def test_perturbed_poses_recover() -> None:
    scene = load_scene(experiment().data)
    truth, wrong = scene.train.cameras, shift_poses(scene.train.cameras, 5)
    scene = replace(scene, train=replace(scene.train, cameras=wrong))
    before = error_px(wrong, truth)[:5]
    assert before.mean() > 1.3
    state, _ = trained(experiment({"poses": {}}, steps=200), scene)
    after = error_px(state.model.per_image.refined(wrong), truth)
    assert after[:5].mean() < 0.45 * before.mean()
    assert after[5:].mean() < 0.4, "the others hardly move"


def brighter(views: Views, factors: torch.Tensor) -> Views:
    images = views.images.float()
    images[..., :3] *= factors[:, None, None, None]
    return replace(views, images=images.to(torch.uint8))


def with_gains(scene: Scene) -> Scene:
    """Return a scene half as bright whose training images have gains from a half to two."""
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    gains = torch.exp2(torch.linspace(-1, 1, 20))[order]
    test = brighter(scene.test, torch.full((len(scene.test),), 0.5))
    return replace(scene, train=brighter(scene.train, 0.5 * gains), test=test)


def test_images_of_different_exposure_are_told_apart() -> None:
    scene = with_gains(load_scene(experiment().data))
    options: list[dict[str, Any]] = [{}, {"exposure": True}, {"appearance": 4}]
    without, exposure, appearance = (trained(experiment(model, steps=160), scene)[1] for model in options)
    assert exposure > without + 0.5 and appearance > without + 0.5


def with_exposures(scene: Scene) -> Scene:
    """Return a scene that a camera with a curve of its own has taken at exposures from 1/4 to 4."""
    stops = torch.linspace(-2, 2, 20)[torch.randperm(20, generator=torch.Generator().manual_seed(0))]

    def taken(views: Views, stops: torch.Tensor) -> Views:
        images = torch.stack(
            [developed(image, 2.0 * 2.0 ** float(stop)) for image, stop in zip(views.images, stops, strict=True)]
        )
        return replace(views, images=images, cameras=replace(views.cameras, stops=stops))

    held_out = torch.full((len(scene.test),), 1.5)
    return replace(scene, train=taken(scene.train, stops), test=taken(scene.test, held_out))


def test_curves_of_tone_render_a_held_out_view_at_its_own_exposure() -> None:
    scene = with_exposures(load_scene(experiment().data))
    options: list[dict[str, Any]] = [{"exposure": True}, {"tone_curves": True}]
    learned, told = (trained(experiment(model, steps=80), scene)[1] for model in options)
    assert told > learned + 3


def test_curves_of_tone_without_exposures_are_refused() -> None:
    of = experiment({"tone_curves": True})
    with pytest.raises(ConfigError, match=r"model\.tone_curves: the data set tells no exposures"):
        new_state(of, load_scene(of.data), CPU)
    with pytest.raises(ValueError, match="choose one of them"):
        experiment({"tone_curves": True, "exposure": True})
