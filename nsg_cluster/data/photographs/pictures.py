"""Pictures of a scene to look at: cameras and scene box along two axes, the box in images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import PIL.Image
import PIL.ImageDraw
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from nsg_cluster.data.drives.report import spread
from nsg_cluster.data.images import encode_png
from nsg_cluster.data.photographs.report import FAR_OUT, Inside
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.boxes import EDGES
from nsg_cluster.geometry.cameras import Cameras
from nsg_cluster.geometry.projection import projected

__all__ = ["box_in_views", "plans"]

PANEL, MARGIN, HEAD = 700, 44, 40
INK, GRID, PAPER, DOTS = (40, 40, 40), (226, 226, 226), (255, 255, 255), (150, 150, 150)
BOX, TRAIN, TEST = (200, 40, 40), (30, 90, 200), (230, 130, 20)
LEAST_VIEW, MOST_VIEW = 320, 1000
PIECES = 48
"""Pieces of each edge of the box, which lenses bend."""
MOST_DOTS = 6000
MOST_FRUSTUMS = 150
# Where each plan is seen from, and its axes: the one to the right, and the one up.
PLANS = {"from +z": "xy", "from -y": "xz"}


@dataclass(frozen=True, slots=True)
class _Panel:
    """One plan: where it stands in the picture, and how its axes run."""

    left: int
    axes: tuple[int, int]
    low: Float[np.ndarray, " 2"]
    scale: float

    def at(self, place: Float[np.ndarray, " 3"]) -> tuple[float, float]:
        """Return the pixel of a place."""
        x, y = (float(place[axis]) for axis in self.axes)
        side = PANEL - 2 * MARGIN
        return (
            self.left + MARGIN + self.scale * (x - float(self.low[0])),
            HEAD + MARGIN + side - self.scale * (y - float(self.low[1])),
        )

    def shows(self, place: Float[np.ndarray, " 3"]) -> bool:
        """Return whether a place is in the panel."""
        x, y = self.at(place)
        return self.left < x < self.left + PANEL and HEAD < y < HEAD + PANEL


def plans(scene: Scene, inside: Inside) -> bytes:
    """Return a PNG file of the scene along its z axis, which is from above where z is up, and along its y axis.

    Cameras are cones that open to where they look (training blue, held out orange); the scene box is red, what a model
    holds best is red and thin, known points are gray. Of a scene in normalized device coordinates there are
    cameras alone.
    """
    picture = PIL.Image.new("RGB", (2 * PANEL, PANEL + HEAD), PAPER)
    draw = PIL.ImageDraw.Draw(picture)
    low, side = _range(scene)
    hidden = 0
    for number, (title, names) in enumerate(PLANS.items()):
        axes = ("xyz".index(names[0]), "xyz".index(names[1]))
        panel = _Panel(number * PANEL, axes, low[list(axes)], (PANEL - 2 * MARGIN) / side)
        _grid(draw, panel, side, f"seen {title}: {names[0]} to the right, {names[1]} up")
        _dots(draw, panel, scene.points)
        if not scene.train.cameras.ndc:
            _inside(draw, panel, scene.box, inside)
        for views, color in ((scene.train, TRAIN), (scene.test, TEST)):
            hidden += _cones(draw, panel, views.cameras, 0.06 * side, color)
    _legend(draw, scene, hidden)
    return encode_png(np.array(picture))


def box_in_views(scene: Scene, count: int) -> dict[str, bytes]:
    """Return PNG files of so many training views, by name, with the scene box and known points drawn in."""
    chosen = spread(range(len(scene.train)), count) if count else []
    return {scene.train.names[view]: encode_png(_with_box(scene, view)) for view in chosen}


def _range(scene: Scene) -> tuple[Float[np.ndarray, " 3"], float]:
    """Return the lower corner and the side of the cube that is shown: box and cameras, but for those far out."""
    places = torch.cat([views.cameras.camera_to_world[:, :, 3] for views in (scene.train, scene.test)])
    away = (places - places.median(dim=0).values).norm(dim=1)
    kept = places[away <= FAR_OUT * max(float(away.median()), 1e-12)]
    shown = kept if scene.train.cameras.ndc else torch.cat([kept, scene.box])
    low, high = shown.amin(0), shown.amax(0)
    side = 1.1 * float((high - low).max()) or 1.0
    return ((low + high) / 2 - side / 2).numpy(), side


def _grid(draw: PIL.ImageDraw.ImageDraw, panel: _Panel, side: float, title: str) -> None:
    step = 10.0 ** math.floor(math.log10(side / 2))
    step = next(each for each in (step / 2, step, 2 * step, 5 * step) if side / each <= 12)
    first, second = panel.axes
    for line in range(2):
        axis = panel.axes[line]
        low = float(panel.low[line])
        for index in range(math.ceil(low / step), math.floor((low + side) / step) + 1):
            start, end = np.zeros(3), np.zeros(3)
            start[first], start[second] = panel.low
            end[first], end[second] = panel.low + side
            start[axis] = end[axis] = index * step
            draw.line([panel.at(start), panel.at(end)], fill=GRID)
            x, y = panel.at(start)
            draw.text((x - 8, y + 6) if line == 0 else (x - 36, y - 6), f"{index * step:.6g}", fill=INK)
    draw.text((panel.left + MARGIN, HEAD + 12), title, fill=INK)


def _inside(draw: PIL.ImageDraw.ImageDraw, panel: _Panel, box: Float[Tensor, "2 3"], inside: Inside) -> None:
    draw.rectangle(_corners(panel, box.numpy()), outline=BOX, width=2)
    held = torch.stack([inside.low, inside.high]).numpy()
    if inside.contraction == "l2":
        draw.ellipse(_corners(panel, held), outline=BOX)
    elif not np.allclose(held, box.numpy()):
        draw.rectangle(_corners(panel, held), outline=BOX)


def _corners(panel: _Panel, box: Float[np.ndarray, "2 3"]) -> list[float]:
    """Return left, top, right and bottom."""
    (left, bottom), (right, top) = panel.at(box[0]), panel.at(box[1])
    return [left, top, right, bottom]


def _dots(draw: PIL.ImageDraw.ImageDraw, panel: _Panel, points: Float[Tensor, "points 3"] | None) -> None:
    if points is not None:
        draw.point([panel.at(point) for point in _some(points) if panel.shows(point)], fill=DOTS)


def _some(points: Float[Tensor, "points 3"]) -> Float[np.ndarray, "some 3"]:
    step = max(1, len(points) // MOST_DOTS)
    found: np.ndarray = points[::step].numpy()
    return found


def _cones(
    draw: PIL.ImageDraw.ImageDraw, panel: _Panel, cameras: Cameras, depth: float, color: tuple[int, int, int]
) -> int:
    """Draw cameras, as lines where they are many, and return how many lie beyond the picture."""
    corners = 0.5 * torch.tensor([cameras.width, cameras.height]) / cameras.focal_px
    hidden = 0
    for pose, (x, y) in zip(cameras.camera_to_world.numpy(), corners.clamp(max=2.0).tolist(), strict=True):
        if not panel.shows(pose[:, 3]):
            hidden += 1
            continue
        many = len(cameras) > MOST_FRUSTUMS
        wide = np.array([[0.0, 0.0, -1.0]] if many else [[-x, -y, -1.0], [x, -y, -1.0], [x, y, -1.0], [-x, y, -1.0]])
        ends = [panel.at(end) for end in pose[:, 3] + depth * wide @ pose[:, :3].T]
        eye = panel.at(pose[:, 3])
        for end in ends:
            draw.line([eye, end], fill=color)
        draw.line([*ends, ends[0]], fill=color)
        draw.ellipse((eye[0] - 2, eye[1] - 2, eye[0] + 2, eye[1] + 2), fill=color)
    return hidden


def _legend(draw: PIL.ImageDraw.ImageDraw, scene: Scene, hidden: int) -> None:
    entries = [(TRAIN, f"{len(scene.train)} training cameras"), (TEST, f"{len(scene.test)} held out")]
    if not scene.train.cameras.ndc:
        entries.append((BOX, "scene box"))
    if scene.points is not None and len(scene.points):
        entries.append((DOTS, f"{len(scene.points)} known points"))
    if hidden:
        entries.append((INK, "some cameras stand beyond this picture"))
    x = MARGIN
    for color, text in entries:
        draw.rectangle((x, 14, x + 10, 24), fill=color)
        draw.text((x + 16, 13), text, fill=INK)
        x += 40 + int(draw.textlength(text))


def _with_box(scene: Scene, view: int) -> UInt8[np.ndarray, "height width 3"]:
    cameras, factor = scene.train.cameras, _factor(scene.train)
    picture = _picture(scene.train, view, factor)
    draw = PIL.ImageDraw.Draw(picture)
    if scene.points is not None and len(scene.points):
        pixels, shown = projected(cameras, view, torch.from_numpy(_some(scene.points)))
        draw.point([(x * factor, y * factor) for x, y in pixels[shown].tolist()], fill=(255, 230, 0))
    if not cameras.ndc:
        for line in _edges(cameras, view, scene.box):
            draw.line([(x * factor, y * factor) for x, y in line], fill=BOX, width=2)
    return np.array(picture)


def _factor(views: Views) -> float:
    """Return by how much images are enlarged or shrunk to be looked at."""
    longest = max(views.cameras.width, views.cameras.height)
    return LEAST_VIEW / longest if longest < LEAST_VIEW else min(1.0, MOST_VIEW / longest)


def _picture(views: Views, view: int, factor: float) -> PIL.Image.Image:
    """Return an image over white."""
    image = PIL.Image.fromarray(views.images[view].numpy())
    if image.mode == "RGBA":
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.convert("RGB").resize(size, PIL.Image.Resampling.NEAREST if factor > 1 else PIL.Image.Resampling.BOX)


def _edges(cameras: Cameras, view: int, box: Float[Tensor, "2 3"]) -> Iterator[list[tuple[float, float]]]:
    """Yield the visible pieces of the box's edges, in pixels."""
    corners = torch.stack([box[[index >> 2 & 1, index >> 1 & 1, index & 1], [0, 1, 2]] for index in range(8)])
    share = torch.linspace(0, 1, PIECES + 1)[:, None]
    for first, second in EDGES:
        pixels, shown = projected(cameras, view, corners[first] + share * (corners[second] - corners[first]))
        for index in range(PIECES):
            if bool(shown[index]) and bool(shown[index + 1]):
                yield [(float(x), float(y)) for x, y in pixels[index : index + 2]]
