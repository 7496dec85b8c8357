"""Rays of pixels, against hand-computed ones and against projection."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nsg_cluster.geometry.cameras import Cameras, Lens, focal_from_angle, image_rays, pixel_rays
from nsg_cluster.geometry.poses import sphere_views


def one_camera(camera_to_world: Tensor | None = None) -> Cameras:
    """A camera of 4 x 2 pixels with a focal length of 2 pixels; at the origin, looking along -z, unless said."""
    pose = torch.eye(4)[None, :3] if camera_to_world is None else camera_to_world
    return Cameras(
        camera_to_world=pose,
        focal_px=torch.tensor([[2.0, 2.0]]).expand(len(pose), 2),
        center_px=torch.tensor([[2.0, 1.0]]).expand(len(pose), 2),
        width=4,
        height=2,
    )


def rotations(count: int) -> Tensor:
    """Random rotations."""
    q, _ = torch.linalg.qr(torch.randn(count, 3, 3, generator=torch.Generator().manual_seed(0)))
    proper: Tensor = q * torch.linalg.det(q)[:, None, None]
    return proper


def test_the_rays_of_the_corner_pixels_are_those_computed_by_hand() -> None:
    rays = image_rays(one_camera(), 0)
    # Pixel centers lie at (0.5, 0.5) and (3.5, 1.5): 1.5 and 0.5 pixels from the middle, at a depth of 2 pixels.
    for pixel, (x, y) in {0: (-0.75, 0.25), 3: (0.75, 0.25), 4: (-0.75, -0.25), 7: (0.75, -0.25)}.items():
        expected = torch.tensor([x, y, -1.0]) / math.sqrt(0.75**2 + 0.25**2 + 1)
        torch.testing.assert_close(rays.directions[pixel], expected)
    assert rays.origins.abs().max() == 0
    assert rays.images.tolist() == [0] * 8


def test_the_radius_is_that_of_a_disc_with_the_variance_of_the_pixel() -> None:
    rays = image_rays(one_camera(), 0)
    # Half a unit wide at depth 1, which pixel 0 sees at a distance of sqrt(1.625).
    assert float(rays.radii[0]) == pytest.approx(0.5 / math.sqrt(1.625) * 2 / math.sqrt(12), rel=1e-6)


def test_the_focal_length_of_lego_is_the_one_that_everyone_uses() -> None:
    assert focal_from_angle(0.6911112070083618, 800) == pytest.approx(1111.1110311937682)
    assert focal_from_angle(math.pi / 2, 100) == pytest.approx(50.0)


def test_points_on_a_ray_project_back_to_the_center_of_its_pixel() -> None:
    poses = sphere_views(torch.zeros(3), 4.0, 5, elevations_deg=(-40, 60)).double()
    generator = torch.Generator().manual_seed(1)
    cameras = Cameras(
        camera_to_world=poses,
        focal_px=20 + 10 * torch.rand(5, 2, generator=generator, dtype=torch.float64),
        center_px=10 + 3 * torch.rand(5, 2, generator=generator, dtype=torch.float64),
        width=24,
        height=20,
    )
    images = torch.randint(5, (200,), generator=generator)
    rows, columns = torch.randint(20, (200,), generator=generator), torch.randint(24, (200,), generator=generator)
    rays = pixel_rays(cameras, images, rows, columns)
    points = rays.origins + (0.1 + 9 * torch.rand(200, 1, generator=generator)) * rays.directions
    in_camera = torch.einsum("nji,nj->ni", poses[images, :, :3], points - poses[images, :, 3])
    depth = -in_camera[:, 2]
    assert (depth > 0).all()
    x = cameras.focal_px[images, 0] * in_camera[:, 0] / depth + cameras.center_px[images, 0]
    y = cameras.center_px[images, 1] - cameras.focal_px[images, 1] * in_camera[:, 1] / depth
    torch.testing.assert_close(x, columns.double() + 0.5, rtol=0, atol=1e-5)
    torch.testing.assert_close(y, rows.double() + 0.5, rtol=0, atol=1e-5)


def test_turning_and_moving_a_camera_turns_and_moves_its_rays() -> None:
    before = image_rays(one_camera(), 0)
    for rotation in rotations(4):
        position = torch.tensor([1.0, -2.0, 3.0])
        after = image_rays(one_camera(torch.cat([rotation, position[:, None]], dim=1)[None]), 0)
        torch.testing.assert_close(after.directions, before.directions @ rotation.T, rtol=0, atol=1e-5)
        torch.testing.assert_close(after.origins, position.expand(8, 3))
        torch.testing.assert_close(after.radii, before.radii)
        torch.testing.assert_close(after.directions.norm(dim=-1), torch.ones(8))


def test_a_resized_camera_keeps_its_field_of_view() -> None:
    coarse, fine = one_camera(), one_camera().resized(width=12, height=6)
    middle = image_rays(fine, 0).directions.view(6, 12, 3)[1::3, 1::3]
    torch.testing.assert_close(middle.reshape(-1, 3), image_rays(coarse, 0).directions)


def test_parts_of_an_image_make_the_whole() -> None:
    camera = one_camera()
    whole = image_rays(camera, 0)
    parts = [image_rays(camera, 0, first=first, count=3) for first in (0, 3, 6)]
    assert [len(part) for part in parts] == [3, 3, 2]
    assert torch.equal(torch.cat([part.directions for part in parts]), whole.directions)


def test_selected_cameras_see_what_they_saw_before() -> None:
    cameras = one_camera(sphere_views(torch.zeros(3), 2.0, 3, elevations_deg=(0, 45)))
    assert len(cameras) == 3
    assert torch.equal(image_rays(cameras[1:], 1).directions, image_rays(cameras, 2).directions)


@pytest.mark.parametrize("lens", ["opencv", "fisheye"])
def test_a_distorted_pixel_sees_what_the_lens_model_of_opencv_shows_there(lens: Lens) -> None:
    k1, k2, p1, p2 = 0.06, -0.02, 0.001, -0.002
    plain = one_camera(rotations(1).new_zeros(1, 3, 4) + torch.eye(3, 4)).resized(width=64, height=32)
    cameras = replace(plain, lens=lens, distortion=torch.tensor([[k1, k2, 0.0, 0.0, p1, p2]]))
    rays = image_rays(cameras, 0)
    x, y = (rays.directions[:, :2] * torch.tensor([1.0, -1.0]) / -rays.directions[:, 2:]).double().unbind(-1)
    r = torch.hypot(x, y)
    if lens == "fisheye":
        angle = r.atan()
        scale = angle * (1 + k1 * angle**2 + k2 * angle**4) / r
        u, v = x * scale, y * scale
    else:
        radial = 1 + k1 * r**2 + k2 * r**4
        u = x * radial + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2)
        v = y * radial + 2 * p2 * x * y + p1 * (r**2 + 2 * y**2)
    seen = torch.stack([u, v], dim=1) * cameras.focal_px[0] + cameras.center_px[0]
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(64), indexing="ij")
    expected = torch.stack([columns, rows], dim=-1).view(-1, 2) + 0.5
    torch.testing.assert_close(seen.float(), expected, rtol=0, atol=2e-4)
    assert len(cameras[:1].without_distortion()) == 1
    assert not torch.equal(image_rays(cameras.without_distortion(), 0).directions, rays.directions)


def test_rays_know_the_moment_at_which_their_camera_looks() -> None:
    still = one_camera(torch.eye(4)[None, :3].repeat(3, 1, 1))
    assert image_rays(still, 1).frames is None
    moving = replace(still, frames=torch.tensor([7, 9, 8]))[torch.tensor([2, 1])].to("cpu").resized(width=2, height=1)
    rays = pixel_rays(moving, torch.tensor([0, 1, 1]), torch.zeros(3).long(), torch.zeros(3).long())
    assert rays.frames is not None
    assert rays.frames.tolist() == [8, 9, 9]
    assert (later := rays[1:].frames) is not None
    assert later.tolist() == [9, 9]
