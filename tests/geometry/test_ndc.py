"""Normalized device coordinates, against the projection that they are named after."""

from __future__ import annotations

from dataclasses import replace

import torch

from nsg_cluster.geometry.cameras import Cameras, image_rays
from nsg_cluster.geometry.ndc import points_to_ndc


def forward_camera() -> Cameras:
    """A camera of 6 x 4 pixels beside the origin that looks along -z."""
    pose = torch.eye(3, 4, dtype=torch.float64)[None]
    pose[0, :, 3] = torch.tensor([0.2, -0.1, 0.05])
    return Cameras(
        camera_to_world=pose,
        focal_px=torch.tensor([[5.0, 4.0]], dtype=torch.float64),
        center_px=torch.tensor([[3.0, 2.0]], dtype=torch.float64),
        width=6,
        height=4,
    )


def test_points_on_a_ray_are_on_the_same_ray_in_normalized_device_coordinates() -> None:
    camera = forward_camera()
    world, warped = image_rays(camera, 0), image_rays(replace(camera, ndc=True), 0)
    half_view = torch.tensor([[0.6, 0.5]], dtype=torch.float64).expand(24, 2)
    for distance in (1.5, 4.0, 50.0):
        seen = points_to_ndc(world.origins + distance * world.directions, half_view) - warped.origins
        torch.testing.assert_close(torch.linalg.cross(seen, warped.directions), torch.zeros_like(seen))
        assert ((seen * warped.directions).sum(1) > 0).all()
    torch.testing.assert_close(warped.view_directions, world.directions)
    torch.testing.assert_close(warped.directions.norm(dim=1), torch.ones(24, dtype=torch.float64))


def test_rays_begin_at_one_side_of_the_cube_and_reach_infinity_at_the_other() -> None:
    camera = forward_camera()
    warped = image_rays(replace(camera, ndc=True), 0)
    torch.testing.assert_close(warped.origins[:, 2], torch.full((24,), -1.0, dtype=torch.float64))
    end = warped.origins + 2.0 / warped.directions[:, 2:] * warped.directions
    far_away = image_rays(camera, 0).directions
    torch.testing.assert_close(end[:, 2], torch.ones(24, dtype=torch.float64))
    torch.testing.assert_close(end[:, 0], -far_away[:, 0] / far_away[:, 2] / 0.6)


def test_the_corners_of_the_view_from_the_origin_are_those_of_the_cube() -> None:
    corners = torch.tensor([[0.6, 0.5, -1.0], [-0.6, -0.5, -1.0], [6.0, 5.0, -10.0]])
    mapped = points_to_ndc(corners, torch.tensor([[0.6, 0.5]]).expand(3, 2))
    torch.testing.assert_close(mapped, torch.tensor([[1.0, 1.0, -1.0], [-1.0, -1.0, -1.0], [1.0, 1.0, 0.8]]))
