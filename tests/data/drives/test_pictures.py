"""Pictures of a drive: boxes lie around what they hold, and the view from above shows every track."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image

from nsg_cluster.config.driving import KittiData, StreetData
from nsg_cluster.data.drives.pictures import above, boxes_in_views, track_color
from nsg_cluster.data.drives.report import read_drive
from nsg_cluster.data.procedural.street import make_street

STREET = StreetData(kind="street", width=160, height=48, frames=5, cars=1, supersample=1)


def pixels(png: bytes) -> np.ndarray:
    return np.array(PIL.Image.open(io.BytesIO(png)))


def test_the_frame_drawn_around_a_car_holds_it() -> None:
    street = make_street(STREET)
    drawn = pixels(boxes_in_views(STREET, street.drive, 2)["left_000000"])
    lines = np.argwhere((drawn == track_color(0)).all(axis=-1))
    (top, left), (bottom, right) = lines.min(axis=0), lines.max(axis=0)
    rows, columns = np.nonzero(street.images.shoot(street.drive, 0).tracks == 1)
    assert top - 2 <= rows.min()
    assert rows.max() <= bottom + 2
    assert left - 2 <= columns.min()
    assert columns.max() <= right + 2


def test_views_that_have_an_image_come_first_and_gray_stands_for_none(data_root: Path) -> None:
    some = KittiData(kind="kitti", root=str(data_root / "kitti"), sequence="0001", frames="8-21", min_motion=0.0)
    assert set(boxes_in_views(some, read_drive(some), 5)) == {"left_000010", "left_000015", "left_000020"}
    none = some.model_copy(update={"sequence": "0006", "downsample": 3})
    drawn = boxes_in_views(none, read_drive(none), 1)
    (picture,) = [pixels(png) for png in drawn.values()]
    assert picture.shape == (125, 414, 3)
    assert (picture == 96).all(axis=-1).mean() > 0.5


def test_the_view_from_above_shows_cameras_and_tracks() -> None:
    picture = pixels(above(make_street(STREET).drive))
    for color in (track_color(0), (30, 90, 200), (220, 120, 20)):
        assert (picture == color).all(axis=-1).any()
