"""Procedural scenes as data: exact, repeatable, antialiased."""

from __future__ import annotations

import numpy as np
import torch

from nsg_cluster.config.schema import SyntheticData
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.procedural.synthetic import CAMERA_RADIUS, load_synthetic
from nsg_cluster.data.procedural.toybox import toybox, trace
from nsg_cluster.geometry.cameras import image_rays

SMALL = SyntheticData(image_size=24, train_views=5, test_views=3, supersample=3)


def test_the_same_configuration_gives_the_same_scene_and_another_seed_other_views() -> None:
    first = load_synthetic(SMALL)
    load_synthetic.cache_clear()
    again = load_synthetic(SMALL)
    assert again is not first
    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.train.cameras.camera_to_world, again.train.cameras.camera_to_world)
    other = load_synthetic(SMALL.model_copy(update={"seed": 1}))
    assert not torch.allclose(first.train.cameras.camera_to_world, other.train.cameras.camera_to_world)
    assert torch.equal(first.test.images, other.test.images)


def test_depth_is_the_distance_of_the_surface_along_the_ray_of_each_pixel() -> None:
    scene = load_synthetic(SMALL)
    depth = scene.test.depth
    assert depth is not None
    rays = image_rays(scene.test.cameras, 1)
    seen = depth[1].flatten().isfinite()
    assert 0.2 < seen.float().mean() < 0.6
    points = rays.origins[seen] + depth[1].flatten()[seen, None] * rays.directions[seen]
    distance, _ = trace(
        toybox(),
        points.double().numpy() - rays.directions[seen].double().numpy(),
        rays.directions[seen].double().numpy(),
    )
    # Going back by 1 and looking again finds the same surface, unless something else is in between.
    assert (distance <= 1 + 1e-5).all()
    assert np.median(np.abs(distance - 1)) < 1e-6
    assert scene.near < float(depth[depth.isfinite()].min())
    assert float(depth[depth.isfinite()].max()) < scene.far
    assert bool((points >= scene.box[0]).all())
    assert bool((points <= scene.box[1]).all())


def test_normals_are_those_of_the_surface_and_look_at_the_camera() -> None:
    scene = load_synthetic(SMALL)
    depth, normals = scene.test.depth, scene.test.normals
    assert depth is not None and normals is not None
    rays = image_rays(scene.test.cameras, 1)
    seen = depth[1].flatten().isfinite()
    turned = normals[1].flatten(0, 1)
    assert (turned[~seen] == 0).all()
    torch.testing.assert_close(turned[seen].norm(dim=1), torch.ones(int(seen.sum())), atol=1e-4, rtol=0)
    assert ((turned[seen] * rays.directions[seen]).sum(dim=1) < 1e-6).all()
    # A step along the surface is at right angles to the normal: neighbors on the flat top of the table.
    up = seen & (turned[:, 2] > 0.999)
    heights = (rays.origins + depth[1].flatten()[:, None] * rays.directions)[up, 2]
    assert up.sum() > 10 and (heights - heights.median()).abs().median() < 1e-5


def test_supersampling_averages_premultiplied_color_and_coverage() -> None:
    plain = load_synthetic(SyntheticData(image_size=48, train_views=1, test_views=1, supersample=1))
    fine = RayBatches(plain.test, "cpu").image(0)
    coarse = RayBatches(
        load_synthetic(SyntheticData(image_size=16, train_views=1, test_views=1, supersample=3)).test, "cpu"
    ).image(0)
    assert set(fine.alpha.tolist()) == {0.0, 1.0}
    assert len(set(coarse.alpha.tolist())) > 2

    def averaged(values: torch.Tensor) -> torch.Tensor:
        return values.view(16, 3, 16, 3, -1).mean(dim=(1, 3)).view(256, -1)

    torch.testing.assert_close(coarse.alpha, averaged(fine.alpha)[:, 0], rtol=0, atol=0.5 / 255 + 1e-6)
    torch.testing.assert_close(coarse.color, averaged(fine.color), rtol=0, atol=1.5 / 255)


def test_cameras_stand_around_the_scene_and_see_all_of_it() -> None:
    scene = load_synthetic(SMALL)
    for views in (scene.train, scene.test):
        torch.testing.assert_close(
            views.cameras.camera_to_world[:, :, 3].norm(dim=-1), torch.full((len(views),), CAMERA_RADIUS)
        )
        alpha = views.images[..., 3]
        border = torch.cat([alpha[:, 0], alpha[:, -1], alpha[:, :, 0], alpha[:, :, -1]])
        assert int(border.max()) == 0
        assert len(set(views.names)) == len(views)
