"""What is learned about each image, and what held-out images get."""

from __future__ import annotations

import torch

from nsg_cluster.geometry.cameras import Cameras, image_rays, pixel_rays
from nsg_cluster.geometry.poses import check_rigid, sphere_views
from nsg_cluster.models.per_image import PerImage


def cameras(count: int = 4) -> Cameras:
    return Cameras(
        camera_to_world=sphere_views(torch.zeros(3), 4.0, count, elevations_deg=(0.0, 60.0)),
        focal_px=torch.full((count, 2), 20.0),
        center_px=torch.full((count, 2), 8.0),
        width=16,
        height=16,
    )


def perturbed(**settings: bool | int) -> PerImage:
    torch.manual_seed(0)
    options = {"appearance": 3, "exposure": True, "poses": True} | settings
    module = PerImage(4, unit=2.0, **options)  # type: ignore[arg-type]
    for table in module.parameters():
        torch.nn.init.normal_(table, std=0.2)
    return module


def test_corrected_rays_are_the_rays_of_the_refined_cameras() -> None:
    module, index = perturbed(), torch.arange(4)
    refined = module.refined(cameras())
    for matrix in refined.camera_to_world:
        check_rigid(torch.cat([matrix, torch.tensor([[0.0, 0, 0, 1]])]))
    expected = pixel_rays(refined, index, 3 * index, 2 * index)
    found = module.corrected(pixel_rays(cameras(), index, 3 * index, 2 * index))
    assert torch.allclose(found.origins, expected.origins, atol=1e-6)
    assert torch.allclose(found.directions, expected.directions, atol=1e-6)
    assert not torch.allclose(refined.camera_to_world, cameras().camera_to_world, atol=0.05)


def test_held_out_images_keep_their_pose_and_get_the_mean_look_and_unit_gain() -> None:
    module, rays = perturbed(), image_rays(cameras(), 2)
    assert module.looks is not None
    looks, gains = module.appearance(rays), module.gains(rays)
    assert looks is not None and torch.equal(looks, module.looks[2].expand(256, 3)) and gains is not None
    module.eval()
    assert module.corrected(rays) is rays and module.gains(rays) is None
    looks = module.appearance(rays)
    assert looks is not None and torch.allclose(looks, module.looks.mean(0).expand(256, 3))


def test_gains_have_the_geometric_mean_one() -> None:
    module = perturbed()
    gains = torch.stack([module.gains(image_rays(cameras(), image, count=1))[0] for image in range(4)])  # type: ignore[index]
    assert torch.allclose(gains.log().mean(0), torch.zeros(3), atol=1e-6)
    assert gains.std() > 0.05


def test_nothing_is_learned_that_was_not_asked_for() -> None:
    module, rays = PerImage(4, unit=1.0, appearance=0, exposure=False, poses=False), image_rays(cameras(), 0)
    assert not list(module.parameters())
    assert module.corrected(rays) is rays and module.appearance(rays) is None and module.gains(rays) is None
    assert module.refined(cameras()).camera_to_world.equal(cameras().camera_to_world)
