"""From pixels to directions in the frame of their camera, in plain PyTorch.

``(x, y)`` are coordinates on the plane at depth 1, x to the right and y down, without distortion; ``(u, v)`` those
where the lens shows them. Camera axes follow OpenGL: x right, y up, looking along -z.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["LENSES", "camera_directions"]

LENSES = ("pinhole", "opencv", "fisheye")

NEWTON_STEPS = 12


def camera_directions(
    images: Int[Tensor, " rays"],
    pixels: Float[Tensor, "rays 2"],
    focal_px: Float[Tensor, "images 2"],
    center_px: Float[Tensor, "images 2"],
    *,
    distortion: Float[Tensor, "images 6"] | None,
    lens: str,
) -> tuple[Float[Tensor, "rays 3"], Float[Tensor, " rays"]]:
    """Return the unit vector through each pixel, and the radius of the pixel's cone at distance 1.

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
    """
    focal, center = focal_px[images], center_px[images]
    coefficients = None if distortion is None or lens == "pinhole" else distortion[images]
    place = (pixels - center) / focal
    middle = _unit(place, coefficients, lens)
    right = _unit(place + focal.reciprocal() * place.new_tensor([1.0, 0.0]), coefficients, lens)
    below = _unit(place + focal.reciprocal() * place.new_tensor([0.0, 1.0]), coefficients, lens)
    spread = 0.5 * ((right - middle).norm(dim=1) + (below - middle).norm(dim=1))
    return middle, spread * (2 / math.sqrt(12))


def _unit(
    place: Float[Tensor, "rays 2"], coefficients: Float[Tensor, "rays 6"] | None, lens: str
) -> Float[Tensor, "rays 3"]:
    """Return the unit vector that the lens shows at a place on the plane at depth 1."""
    if lens == "fisheye":
        return _fisheye(place, coefficients)
    x, y = (place if coefficients is None else _undistort(place, coefficients)).unbind(1)
    return torch.nn.functional.normalize(torch.stack((x, -y, -torch.ones_like(x)), dim=1), dim=1)


def _undistort(place: Float[Tensor, "rays 2"], coefficients: Float[Tensor, "rays 6"]) -> Float[Tensor, "rays 2"]:
    """Invert OpenCV's model ``u = x (1 + k1 r^2 + ... + k4 r^8) + 2 p1 x y + p2 (r^2 + 2 x^2)`` by Newton's method."""
    k1, k2, k3, k4, p1, p2 = coefficients.unbind(1)
    u, v = place.unbind(1)
    x, y = u, v
    for _ in range(NEWTON_STEPS):
        r = x * x + y * y
        radial = 1 + r * (k1 + r * (k2 + r * (k3 + r * k4)))
        slope = k1 + r * (2 * k2 + r * (3 * k3 + r * 4 * k4))
        fx = x * radial + 2 * p1 * x * y + p2 * (r + 2 * x * x) - u
        fy = y * radial + 2 * p2 * x * y + p1 * (r + 2 * y * y) - v
        fxx = radial + 2 * slope * x * x + 2 * p1 * y + 6 * p2 * x
        fxy = 2 * slope * x * y + 2 * p1 * x + 2 * p2 * y
        fyy = radial + 2 * slope * y * y + 2 * p2 * x + 6 * p1 * y
        determinant = fxx * fyy - fxy * fxy
        # Where the model folds over itself there is no inverse: stay.
        inverse = torch.where(determinant.abs() > 1e-6, 1 / determinant, 0.0)
        x, y = x - (fyy * fx - fxy * fy) * inverse, y - (fxx * fy - fxy * fx) * inverse
    return torch.stack((x, y), dim=1)


def _fisheye(place: Float[Tensor, "rays 2"], coefficients: Float[Tensor, "rays 6"] | None) -> Float[Tensor, "rays 3"]:
    """Invert ``r = a (1 + k1 a^2 + ... + k4 a^8)``: r the distance from the center, a the angle from the axis."""
    r = place.norm(dim=1)
    angle = r.clamp_max(math.pi)
    if coefficients is not None:
        k1, k2, k3, k4 = coefficients[:, :4].unbind(1)
        for _ in range(NEWTON_STEPS):
            s = angle * angle
            value = angle * (1 + s * (k1 + s * (k2 + s * (k3 + s * k4)))) - r
            slope = 1 + s * (3 * k1 + s * (5 * k2 + s * (7 * k3 + s * 9 * k4)))
            angle = (angle - torch.where(slope > 1e-6, value / slope, 0.0)).clamp(0, math.pi)
    toward = torch.where(r > 0, angle.sin() / r, 1.0)
    x, y = (place * toward[:, None]).unbind(1)
    return torch.stack((x, -y, -angle.cos()), dim=1)
