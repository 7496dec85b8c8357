"""Cameras, and the rays through their pixels.

Camera axes follow OpenGL: x to the right, y up, looking along -z. Pixel ``(row r, column c)`` counts from the top left
and covers the square from ``(c, r)`` to ``(c + 1, r + 1)``, so its ray goes through ``(c + 0.5, r + 0.5)``. Focal
lengths and principal points are in pixels, in the order x, y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nsg_cluster.geometry.ndc import rays_to_ndc
from nsg_cluster.geometry.rays import Rays
from nsg_cluster.ops.lens import camera_directions

__all__ = ["Cameras", "Lens", "focal_from_angle", "image_rays", "pixel_rays"]

Lens = Literal["pinhole", "opencv", "fisheye"]

# The variance of a uniform square pixel, matched by a disc (mip-NeRF, arXiv:2103.13415, section 3.1).
RADIUS_OF_PIXEL_WIDTH = 2.0 / math.sqrt(12.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cameras:
    """Cameras of equal image size."""

    camera_to_world: Float[Tensor, "images 3 4"]
    """Rotation and position: maps camera coordinates to world coordinates."""
    focal_px: Float[Tensor, "images 2"]
    """Focal lengths in x and y."""
    center_px: Float[Tensor, "images 2"]
    """Principal point (x, y) from the top left corner of the image."""
    width: int
    """Pixels in a row."""
    height: int
    """Pixels in a column."""
    distortion: Float[Tensor, "images 6"] | None = None
    """Coefficients (k1, k2, k3, k4, p1, p2) of the lens as OpenCV defines them; none for no distortion."""
    lens: Lens = "pinhole"
    """How a pixel's distance from the principal point follows from the angle of its ray: see `ops.lens`."""
    ndc: bool = False
    """Whether rays run through normalized device coordinates: see `geometry.ndc`."""
    stops: Float[Tensor, " images"] | None = None
    """Exposure of each image, as the data set tells it: doublings over the usual one; None where none is told."""
    frames: Int[Tensor, " images"] | None = None
    """Moment of each image, as an index of the frames of a scene that moves; None where nothing moves."""

    def __len__(self) -> int:
        """Return the number of cameras."""
        return self.camera_to_world.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Cameras:
        """Return the selected cameras."""
        return replace(
            self,
            camera_to_world=self.camera_to_world[index],
            focal_px=self.focal_px[index],
            center_px=self.center_px[index],
            distortion=None if self.distortion is None else self.distortion[index],
            frames=None if self.frames is None else self.frames[index],
            stops=None if self.stops is None else self.stops[index],
        )

    def to(self, device: torch.device | str) -> Cameras:
        """Return the same cameras on a device."""
        return replace(
            self,
            camera_to_world=self.camera_to_world.to(device),
            focal_px=self.focal_px.to(device),
            center_px=self.center_px.to(device),
            distortion=None if self.distortion is None else self.distortion.to(device),
            frames=None if self.frames is None else self.frames.to(device),
            stops=None if self.stops is None else self.stops.to(device),
        )

    def resized(self, *, width: int, height: int) -> Cameras:
        """Return cameras that see the same field of view with another number of pixels."""
        scale = self.focal_px.new_tensor([width / self.width, height / self.height])
        return replace(
            self, focal_px=self.focal_px * scale, center_px=self.center_px * scale, width=width, height=height
        )

    def without_distortion(self) -> Cameras:
        """Return pinhole cameras with the same poses, focal lengths and principal points."""
        return replace(self, distortion=None, lens="pinhole")


def focal_from_angle(angle_rad: float, size_px: int) -> float:
    """Return the focal length in pixels at which ``size_px`` pixels span ``angle_rad``."""
    return 0.5 * size_px / math.tan(0.5 * angle_rad)


def pixel_rays(
    cameras: Cameras,
    images: Int[Tensor, " rays"],
    rows: Int[Tensor, " rays"],
    columns: Int[Tensor, " rays"],
) -> Rays:
    """Return the rays through the centers of pixels.

    A pixel is ``1 / focal`` wide on the plane at depth 1; at distance 1 along its ray it is smaller by the length of
    the unnormalized direction. The radius is that width, averaged over x and y, times 2 / sqrt(12). Behind a lens the
    width is measured instead: see `ops.lens.camera_directions`.
    """
    pixel = torch.stack([columns, rows], dim=-1) + 0.5
    if cameras.lens == "pinhole":
        in_camera, radii = _through_pinhole(cameras, images, pixel)
    else:
        in_camera, radii = camera_directions(
            images, pixel, cameras.focal_px, cameras.center_px, distortion=cameras.distortion, lens=cameras.lens
        )
    pose = cameras.camera_to_world[images]
    directions = torch.einsum("rij,rj->ri", pose[:, :, :3], in_camera)
    rays = Rays(
        origins=pose[:, :, 3],
        directions=directions / directions.norm(dim=-1, keepdim=True),
        radii=radii,
        images=images,
        frames=None if cameras.frames is None else cameras.frames[images],
        stops=None if cameras.stops is None else cameras.stops[images],
    )
    if not cameras.ndc:
        return rays
    size = cameras.focal_px.new_tensor([cameras.width, cameras.height])
    return rays_to_ndc(rays, 0.5 * size / cameras.focal_px[images])


def _through_pinhole(
    cameras: Cameras, images: Int[Tensor, " rays"], pixel: Float[Tensor, "rays 2"]
) -> tuple[Float[Tensor, "rays 3"], Float[Tensor, " rays"]]:
    """Return the point of each ray at depth 1, in the camera's frame, and the radius of its cone at distance 1."""
    focal = cameras.focal_px[images]
    x, y = ((pixel - cameras.center_px[images]) / focal).unbind(-1)
    in_camera = torch.stack([x, -y, -torch.ones_like(x)], dim=-1)
    return in_camera, RADIUS_OF_PIXEL_WIDTH * focal.reciprocal().mean(dim=-1) / in_camera.norm(dim=-1)


def image_rays(cameras: Cameras, image: int, *, first: int = 0, count: int | None = None) -> Rays:
    """Return the rays of the pixels of one image, row by row: all, or at most ``count`` from pixel ``first`` on."""
    pixels = cameras.height * cameras.width
    end = pixels if count is None else min(first + count, pixels)
    pixel = torch.arange(first, end, device=cameras.camera_to_world.device)
    return pixel_rays(
        cameras,
        torch.full_like(pixel, image),
        torch.div(pixel, cameras.width, rounding_mode="floor"),
        pixel % cameras.width,
    )
