"""From places to pixels: the way back from rays, through every lens."""

from __future__ import annotations

import pytest
import torch

from nsg_cluster.geometry.cameras import Cameras, Lens, image_rays
from nsg_cluster.geometry.poses import sphere_views
from nsg_cluster.geometry.projection import projected

LENSES: dict[Lens, list[float] | None] = {
    "pinhole": None,
    "opencv": [0.1, -0.03, 0.004, -0.001, 0.002, -0.003],
    "fisheye": [0.05, -0.02, 0.004, -0.001, 0.0, 0.0],
}


def cameras(lens: Lens) -> Cameras:
    found = LENSES[lens]
    return Cameras(
        camera_to_world=sphere_views(torch.zeros(3), 3.0, 2, elevations_deg=(10, 40)),
        focal_px=torch.tensor([[20.0, 22.0]]).expand(2, 2),
        center_px=torch.tensor([[11.0, 7.5]]).expand(2, 2),
        width=24,
        height=16,
        distortion=None if found is None else torch.tensor([found, found]),
        lens=lens,
    )


@pytest.mark.parametrize("lens", LENSES)
def test_a_place_on_a_ray_is_shown_at_the_rays_own_pixel(lens: Lens) -> None:
    for view in range(2):
        rays = image_rays(cameras(lens), view)
        distance = torch.linspace(0.5, 9.0, len(rays))[:, None]
        pixels, shown = projected(cameras(lens), view, rays.origins + distance * rays.directions)
        rows, columns = torch.meshgrid(torch.arange(16), torch.arange(24), indexing="ij")
        assert bool(shown.all())
        expected = torch.stack([columns, rows], -1).view(-1, 2).double() + 0.5
        torch.testing.assert_close(pixels, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("lens", LENSES)
def test_only_a_fisheye_shows_what_is_behind_the_plane_of_the_camera(lens: Lens) -> None:
    pose = cameras(lens).camera_to_world[0]
    behind = pose[:, 3] + pose[:, :3] @ torch.tensor([2.0, 0.0, 0.1])
    pixels, shown = projected(cameras(lens), 0, behind[None])
    assert bool(shown[0]) == (lens == "fisheye")
    assert bool(pixels.isfinite().all())
