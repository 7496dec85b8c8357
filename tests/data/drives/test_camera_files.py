"""Image files of a drive: measured, cut, averaged down, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nsg_cluster.core.errors import DataError
from nsg_cluster.core.files import write_atomic
from nsg_cluster.data.drives.camera_files import (
    black_images,
    cropped,
    image_size,
    missing_advice,
    read_cropped,
    sampled,
)
from nsg_cluster.data.images import encode_png
from nsg_cluster.geometry.cameras import Cameras, pixel_rays


def png(path: Path, width: int, height: int, channels: int = 3) -> Path:
    write_atomic(path, encode_png(np.full((height, width, channels), 9, dtype=np.uint8)))
    return path


def camera(width: int, height: int) -> Cameras:
    return Cameras(
        camera_to_world=torch.eye(4)[None, :3],
        focal_px=torch.tensor([[20.0, 21.0]]),
        center_px=torch.tensor([[5.3, 3.1]]),
        width=width,
        height=height,
    )


def test_cutting_leaves_the_rays_of_what_remains_alone() -> None:
    whole, small = camera(11, 7), cropped(camera(11, 7), 3)
    assert (small.width, small.height) == (3, 2)
    zero = torch.zeros(1, dtype=torch.long)
    middle = pixel_rays(whole, zero, zero + 4, zero + 7).directions
    torch.testing.assert_close(pixel_rays(small, zero, zero + 1, zero + 2).directions, middle)


def test_labels_are_sampled_in_the_middle_of_what_becomes_one_pixel() -> None:
    rows, columns = np.mgrid[:7, :11]
    assert sampled(10 * rows + columns, 3).tolist() == [[11, 14, 17], [41, 44, 47]]
    assert sampled(rows, 1).shape == (7, 11)


def test_the_first_image_at_hand_tells_the_size(tmp_path: Path) -> None:
    files = [tmp_path / "0.png", png(tmp_path / "1.png", 6, 4)]
    assert image_size(files, None, where="here") == (6, 4)
    assert image_size(files[:1], (3, 2), where="here") == (3, 2)
    (tmp_path / "2.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2.png: the image cannot be read"):
        image_size([tmp_path / "2.png"], None, where="here")


def test_images_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    first, wide, clear = (
        png(tmp_path / "a.png", 4, 4),
        png(tmp_path / "b.png", 6, 4),
        png(tmp_path / "c.png", 4, 4, channels=4),
    )
    assert read_cropped([first, first], 3).shape == (2, 1, 1, 3)
    with pytest.raises(DataError, match=r"b.png is 6x4 with 3 channels and .*a.png is 4x4"):
        read_cropped([first, wide], 1)
    with pytest.raises(DataError, match=r"c.png is 4x4 with 4 channels"):
        read_cropped([clear], 1)


def test_advice_names_the_frames_that_are_whole(tmp_path: Path) -> None:
    files = [png(tmp_path / "0.png", 4, 4), tmp_path / "1.png", tmp_path / "0.png", tmp_path / "0.png"]
    assert missing_advice([files[0], files[0]], [3, 4]) is None
    advice = missing_advice(files, [7, 8, 9, 10])
    assert advice is not None
    assert "'7, 9-10'" in advice


def test_black_images_take_no_memory() -> None:
    assert black_images(1000, 1242, 375).shape == (1000, 375, 1242, 3)
    assert black_images(1000, 1242, 375).untyped_storage().nbytes() == 3
