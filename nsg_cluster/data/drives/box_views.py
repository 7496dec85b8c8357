"""How a box looks in an image: the rectangle that it fills, the lines of its edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from nsg_cluster.geometry.boxes import EDGES, box_corners
from nsg_cluster.geometry.cameras import Cameras

__all__ = ["BoxView", "box_edges", "view_of"]

# What is nearer to the plane of the camera is cut off.
NEAREST = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxView:
    """The rectangle around a box in an image, in pixels from the top left corner."""

    rectangle: tuple[float, float, float, float]
    """Left, top, right and bottom, within the image."""
    truncated: float
    """Share of the whole rectangle that lies beyond the image."""


def view_of(
    cameras: Cameras, view: int, object_to_world: Float[np.ndarray, "3 4"], size: tuple[float, float, float]
) -> BoxView | None:
    """Return the rectangle around a box in an image; None where it is behind the camera or beside the image."""
    lines = box_edges(cameras, view, object_to_world, size)
    if not len(lines):
        return None
    low, high = lines.min(axis=(0, 1)), lines.max(axis=(0, 1))
    end = np.array([cameras.width, cameras.height], dtype=np.float64)
    inside_low, inside_high = np.clip(low, 0.0, end), np.clip(high, 0.0, end)
    visible = np.prod(inside_high - inside_low)
    if visible < 1.0:
        return None
    return BoxView(
        rectangle=(*inside_low.tolist(), *inside_high.tolist()), truncated=float(1.0 - visible / np.prod(high - low))
    )


def box_edges(
    cameras: Cameras, view: int, object_to_world: Float[np.ndarray, "3 4"], size: tuple[float, float, float]
) -> Float[np.ndarray, "edges 2 2"]:
    """Return both ends of each edge of a box in an image, in pixels; what is behind the camera is cut off."""
    pose = cameras.camera_to_world[view].double().numpy()
    corners = box_corners(
        torch.from_numpy(np.ascontiguousarray(object_to_world))[None], torch.tensor([size], dtype=torch.float64)
    )[0].numpy()
    in_camera = (corners - pose[:, 3]) @ pose[:, :3]
    found = []
    for first, second in EDGES:
        ends = _cut(in_camera[first], in_camera[second])
        if ends is not None:
            found.append(ends)
    if not found:
        return np.zeros((0, 2, 2))
    points = np.stack(found)
    focal, center = cameras.focal_px[view].double().numpy(), cameras.center_px[view].double().numpy()
    pixels: np.ndarray = center + focal * points[..., :2] * [1.0, -1.0] / -points[..., 2:]
    return pixels


def _cut(first: Float[np.ndarray, " 3"], second: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "2 3"] | None:
    """Return the part of a line that is before the camera."""
    depths = -np.array([first[2], second[2]])
    if depths.max() < NEAREST:
        return None
    if depths.min() >= NEAREST:
        return np.stack([first, second])
    share = (NEAREST - depths[0]) / (depths[1] - depths[0])
    crossing = first + share * (second - first)
    return np.stack([crossing, second] if depths[0] < NEAREST else [first, crossing])
