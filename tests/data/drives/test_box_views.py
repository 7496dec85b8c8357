"""How boxes look in images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nsg_cluster.data.drives.box_views import box_edges, view_of
from nsg_cluster.geometry.cameras import Cameras

SIZE = (2.0, 2.0, 2.0)


def camera() -> Cameras:
    """Return a camera at the origin that looks along -z."""
    return Cameras(
        camera_to_world=torch.eye(4, dtype=torch.float64)[None, :3],
        focal_px=torch.full((1, 2), 100.0, dtype=torch.float64),
        center_px=torch.tensor([[50.0, 30.0]], dtype=torch.float64),
        width=100,
        height=60,
    )


def at(x: float, y: float, z: float) -> np.ndarray:
    return np.column_stack([np.eye(3), [x, y, z]])


def test_a_box_in_view_fills_the_rectangle_of_its_near_face() -> None:
    view = view_of(camera(), 0, at(0, 0, -6), SIZE)
    assert view is not None
    assert view.rectangle == pytest.approx((30.0, 10.0, 70.0, 50.0))
    assert view.truncated == 0.0
    assert box_edges(camera(), 0, at(0, 0, -6), SIZE).shape == (12, 2, 2)


def test_a_box_at_the_border_is_cut_and_says_how_much_is_missing() -> None:
    view = view_of(camera(), 0, at(2.5, 0, -6), SIZE)
    assert view is not None
    assert view.rectangle == pytest.approx((50 + 150 / 7, 10.0, 100.0, 50.0))
    assert view.truncated == pytest.approx(1 - (100 - 50 - 150 / 7) / (120 - 50 - 150 / 7))


def test_what_is_behind_or_beside_is_not_in_view_and_a_camera_in_a_box_sees_it() -> None:
    assert view_of(camera(), 0, at(0, 0, 6), SIZE) is None
    assert view_of(camera(), 0, at(20, 0, -6), SIZE) is None
    inside = view_of(camera(), 0, at(0, 0, 0), SIZE)
    assert inside is not None
    assert inside.rectangle == (0.0, 0.0, 100.0, 60.0)
