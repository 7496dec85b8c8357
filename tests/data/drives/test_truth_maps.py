"""Maps of depth, tracks and classes: what stands in the files, smaller, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.truth_maps import read_classes, read_depths, read_tracks
from nsg_cluster.geometry.cameras import Cameras, image_rays


def cameras(width: int, height: int) -> Cameras:
    """Return one camera that looks along -z, off its middle."""
    return Cameras(
        camera_to_world=torch.eye(4)[None, :3],
        focal_px=torch.tensor([[5.0, 4.0]]),
        center_px=torch.tensor([[2.0, 1.5]]),
        width=width,
        height=height,
    )


def written(file: Path, values: np.ndarray) -> list[Path]:
    PIL.Image.fromarray(values).save(file)
    return [file]


def test_depth_along_the_axis_becomes_the_way_along_each_ray(tmp_path: Path) -> None:
    stored = np.arange(12, dtype=np.uint16).reshape(3, 4) * 100
    seen = cameras(4, 3)
    depth = read_depths(written(tmp_path / "d.png", stored), seen, factor=1, unit=0.01, none=0)
    assert depth is not None and depth[0, 0, 0] == float("inf")
    along_axis = -image_rays(seen, 0).directions[:, 2].view(3, 4) * depth[0]
    torch.testing.assert_close(along_axis.flatten()[1:], torch.arange(1.0, 12.0))


def test_smaller_maps_have_the_value_in_the_middle_of_each_square(tmp_path: Path) -> None:
    stored = np.arange(48, dtype=np.uint16).reshape(6, 8)
    files = written(tmp_path / "t.png", stored)
    tracks = read_tracks(files, {27: 3, 9: 1}, factor=2)
    assert tracks is not None and tracks.shape == (1, 3, 4)
    expected = torch.full((3, 4), -1, dtype=torch.int16)
    expected[0, 0], expected[1, 1] = 1, 3
    assert torch.equal(tracks[0], expected)


def test_a_map_that_is_missing_is_missing_for_all(tmp_path: Path) -> None:
    files = [*written(tmp_path / "a.png", np.zeros((3, 4), np.uint16)), tmp_path / "b.png"]
    assert read_tracks(files, {}, factor=1) is None
    assert read_depths(files, cameras(4, 3), factor=1, unit=1.0, none=0) is None
    assert read_classes(files, [(0, 0, 0)], factor=1) is None


def test_classes_are_told_by_their_exact_color(tmp_path: Path) -> None:
    colors = [(200, 1, 2), (0, 0, 0), (1, 200, 2)]
    shown = np.array([[colors[2], colors[0], (200, 1, 3), colors[1]]], dtype=np.uint8)
    classes = read_classes(written(tmp_path / "c.png", shown), colors, factor=1)
    assert classes is not None and classes[0, 0].tolist() == [2, 0, -1, 1]


def test_what_is_no_map_is_refused_with_its_file(tmp_path: Path) -> None:
    color = written(tmp_path / "color.png", np.zeros((3, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"color\.png: must have one channel of whole numbers, not \(3, 4, 3\)"):
        read_tracks(color, {}, factor=1)
    (tmp_path / "cut.png").write_bytes((tmp_path / "color.png").read_bytes()[:40])
    with pytest.raises(DataError, match=r"cut\.png: the image cannot be read .*: copy it again"):
        read_classes([tmp_path / "cut.png"], [(0, 0, 0)], factor=1)
