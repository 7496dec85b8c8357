"""From pixels to directions in the frame of their camera, through lenses with and without distortion."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nsg_cluster.core.errors import did_you_mean
from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import INDICES, Arguments
from nsg_cluster.ops.reference import lens as reference
from nsg_cluster.ops.reference.lens import LENSES

__all__ = ["LENSES", "camera_directions"]


def camera_directions(
    images: Int[Tensor, " rays"],
    pixels: Float[Tensor, "rays 2"],
    focal_px: Float[Tensor, "images 2"],
    center_px: Float[Tensor, "images 2"],
    *,
    distortion: Float[Tensor, "images 6"] | None = None,
    lens: str = "pinhole",
) -> tuple[Float[Tensor, "rays 3"], Float[Tensor, " rays"]]:
    """Return the unit vector through each pixel, and the radius of the pixel's cone at distance 1.

    Camera axes follow OpenGL: x right, y up, looking along -z. No gradient by the camera: the pose is applied to the
    result, and has one.

    Args:
        images: Camera of each pixel.
        pixels: Position (column, row) from the top left corner; the center of the first pixel is (0.5, 0.5).
        focal_px: Focal lengths in x and y.
        center_px: Principal points.
        distortion: Coefficients (k1, k2, k3, k4, p1, p2) as OpenCV defines them; none for no distortion.
        lens: ``pinhole``, ``opencv`` (polynomial in the radius, tangential terms) or ``fisheye`` (in the angle).

    Returns:
        Directions, and radii: the distance to the directions of the next pixels in x and y, averaged, times
        2 / sqrt(12), so that the variance of the pixel equals that of a disc (mip-NeRF, section 3.1).

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, the lens is unknown, or (found on the CPU alone) an image is
            none of the cameras.
    """
    arguments = Arguments("camera_directions")
    arguments.check("images", images, ("rays",), INDICES)
    arguments.check("pixels", pixels, ("rays", 2))
    arguments.check("focal_px", focal_px, ("images", 2))
    arguments.check("center_px", center_px, ("images", 2))
    arguments.check_indices("images", images, lowest=0, end=len(focal_px))
    allowed = f"one of {', '.join(LENSES)}.{did_you_mean(lens, LENSES)}"
    arguments.require("lens", f"'{lens}'", allowed=allowed, fits=lens in LENSES)
    if distortion is not None:
        arguments.check("distortion", distortion, ("images", 6))
    kernels = library.kernels(pixels)
    with torch.no_grad():
        if kernels is None:
            return reference.camera_directions(images, pixels, focal_px, center_px, distortion=distortion, lens=lens)
        plain = [tensor.detach().contiguous() for tensor in (images, pixels, focal_px, center_px)]
        coefficients = None if distortion is None else distortion.detach().contiguous()
        directions, radii = pixels.new_empty(len(pixels), 3), pixels.new_empty(len(pixels))
        kernels.camera_directions(*plain, coefficients, LENSES.index(lens), directions, radii)
        return directions, radii
