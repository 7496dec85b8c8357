"""Pictures of a drive to look at: boxes drawn into images, cameras and tracks from above."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
from jaxtyping import Float, UInt8

from nsg_cluster.config.driving import DrivingData, StreetData
from nsg_cluster.data.drives.box_views import box_edges
from nsg_cluster.data.drives.camera_files import read_cropped
from nsg_cluster.data.drives.drive import Drive
from nsg_cluster.data.drives.report import drive_files, spread
from nsg_cluster.data.images import encode_png
from nsg_cluster.data.procedural.street import make_street

__all__ = ["above", "boxes_in_views", "track_color"]

Place = Callable[[Float[np.ndarray, " 3"]], tuple[float, float]]
GRAY = 96
GOLDEN_RATIO = 0.618033988749895
# Size and margins of the picture from above, in pixels, and the widest and tallest part of the drive that it shows.
ABOVE_WIDTH, MARGIN = 1400, 48
MOST_HEIGHT, LEAST_HEIGHT = 1000, 260
GRID_M = 10.0
INK, GRID, PAPER = (40, 40, 40), (222, 222, 222), (255, 255, 255)
CAMERA_COLORS = ((30, 90, 200), (220, 120, 20))
# The edges of the front face, which has +x, among those of `geometry.boxes`.
FRONT = (4, 5, 6, 7)


def track_color(index: int) -> tuple[int, int, int]:
    """Return a bright color for a track; neighbors differ."""
    red, green, blue = colorsys.hsv_to_rgb((0.02 + index * GOLDEN_RATIO) % 1.0, 0.85, 0.95)
    return (round(255 * red), round(255 * green), round(255 * blue))


def boxes_in_views(config: DrivingData, drive: Drive, count: int) -> dict[str, bytes]:
    """Return PNG files of so many views with the boxes of their objects, by name; the front of each box is crossed.

    Views whose image is there come first; where there is none at all, boxes stand before gray.
    """
    files = drive_files(config, drive)
    there = [view for view in range(len(drive.cameras)) if files is None or files[view].is_file()]
    chosen = spread(there or list(range(len(drive.cameras))), count)
    names = drive.names
    images = _images(config, drive, chosen, [] if files is None else files)
    return {
        names[view]: encode_png(_with_boxes(drive, view, image)) for view, image in zip(chosen, images, strict=True)
    }


def _images(
    config: DrivingData, drive: Drive, chosen: Sequence[int], files: Sequence[Path]
) -> list[UInt8[np.ndarray, "height width 3"]]:
    if isinstance(config, StreetData):
        street = make_street(config)
        return [street.images.shoot(street.drive, view).image for view in chosen]
    size = (drive.cameras.height, drive.cameras.width, 3)
    return [
        read_cropped([files[view]], config.downsample)[0].numpy()
        if files[view].is_file()
        else np.full(size, GRAY, dtype=np.uint8)
        for view in chosen
    ]


def _with_boxes(
    drive: Drive, view: int, image: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    picture = PIL.Image.fromarray(image)
    draw = PIL.ImageDraw.Draw(picture)
    tracks = drive.tracks
    for placement in tracks.table[int(drive.moments[view])].tolist():
        if placement < 0:
            continue
        owner = int(tracks.owners[placement])
        x, y, z = tracks.sizes[owner].tolist()
        lines = box_edges(drive.cameras, view, tracks.object_to_world[placement].numpy(), (x, y, z))
        if not len(lines) or not _meets(lines, picture.size):
            continue
        color = track_color(owner)
        for line in lines:
            draw.line([tuple(line[0]), tuple(line[1])], fill=color, width=2)
        if len(lines) == 12:
            front = lines[list(FRONT), 0]
            draw.line([tuple(front[0]), tuple(front[2])], fill=color, width=1)
            draw.line([tuple(front[1]), tuple(front[3])], fill=color, width=1)
        label = f"{tracks.ids[owner]} {tracks.class_names[int(tracks.classes[owner])]}"
        _text(draw, (float(lines[..., 0].min()), float(lines[..., 1].min()) - 12), label, color)
    _text(draw, (4, 2), drive.names[view], (255, 255, 255))
    return np.array(picture)


def _meets(lines: Float[np.ndarray, "edges 2 2"], size: tuple[int, int]) -> bool:
    low, high = lines.min(axis=(0, 1)), lines.max(axis=(0, 1))
    return bool((high > 0).all() and (low < size).all())


def _text(draw: PIL.ImageDraw.ImageDraw, at: tuple[float, float], text: str, color: tuple[int, int, int]) -> None:
    """Write on a dark ground, inside the picture."""
    x, y = max(2.0, at[0]), max(0.0, at[1])
    draw.rectangle(draw.textbbox((x, y), text), fill=(0, 0, 0))
    draw.text((x, y), text, fill=color)


def above(drive: Drive) -> bytes:
    """Return a PNG file of the drive from above: x to the right, left of the street up, a grid of 10 m.

    Cameras are dots with short lines where they look (left blue, right orange); each track is a line with its box where
    it is first and, filled, where it is last.
    """
    tracks = drive.tracks
    cameras = drive.cameras.camera_to_world.numpy()
    corners = tracks.corners().numpy()
    points = np.concatenate([cameras[:, :, 3], corners.reshape(-1, 3)])[:, [0, 2]]
    low, high = points.min(axis=0) - 4.0, points.max(axis=0) + 4.0
    scale = min((ABOVE_WIDTH - 2 * MARGIN) / (high[0] - low[0]), MOST_HEIGHT / (high[1] - low[1]))
    height = max(LEAST_HEIGHT, round(scale * (high[1] - low[1])) + 2 * MARGIN)
    picture = PIL.Image.new("RGB", (ABOVE_WIDTH, height), PAPER)
    draw = PIL.ImageDraw.Draw(picture)

    def at(place: Float[np.ndarray, " 3"]) -> tuple[float, float]:
        return (MARGIN + scale * float(place[0] - low[0]), height - MARGIN - scale * float(place[2] - low[1]))

    _grid(draw, low, high, at)
    for index, track in enumerate(tracks.ids):
        mine = np.flatnonzero(tracks.owners.numpy() == index)
        color = track_color(index)
        places = [at(place) for place in tracks.object_to_world[mine][:, :, 3].numpy()]
        draw.line(places, fill=color, width=2)
        for placement, fill in ((mine[0], None), (mine[-1], color)):
            outline = [at(corner) for corner in corners[placement][[0, 1, 5, 4]]]
            draw.polygon(outline, outline=color, fill=fill)
        draw.text((places[-1][0] + 6, places[-1][1] - 6), str(track), fill=INK)
    for pose, camera in zip(cameras, drive.camera_ids.tolist(), strict=True):
        x, y = at(pose[:, 3])
        draw.line([(x, y), at(pose[:, 3] - 1.5 * pose[:, 2])], fill=CAMERA_COLORS[camera])
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=CAMERA_COLORS[camera])
    return encode_png(np.array(picture))


def _grid(
    draw: PIL.ImageDraw.ImageDraw, low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"], at: Place
) -> None:
    for x in _multiples(low[0], high[0]):
        draw.line([at(np.array([x, 0, low[1]])), at(np.array([x, 0, high[1]]))], fill=GRID)
        draw.text((at(np.array([x, 0, low[1]]))[0] - 6, at(np.array([x, 0, low[1]]))[1] + 4), f"{x:g}", fill=INK)
    for z in _multiples(low[1], high[1]):
        draw.line([at(np.array([low[0], 0, z])), at(np.array([high[0], 0, z]))], fill=GRID)
        draw.text((4, at(np.array([low[0], 0, z]))[1] - 6), f"{z:g} m", fill=INK)


def _multiples(low: float, high: float) -> list[float]:
    """Return where lines of the grid are."""
    return [GRID_M * index for index in range(int(np.ceil(low / GRID_M)), int(np.floor(high / GRID_M)) + 1)]
