"""Image files."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from nsg_cluster.core.errors import DataError
from nsg_cluster.data import images
from nsg_cluster.data.images import downsample, encode_png, read_image, read_images, straight_alpha

NOISE = np.random.default_rng(0).integers(0, 256, size=(6, 8, 4), dtype=np.uint8)


def write(path: Path, image: np.ndarray) -> Path:
    path.write_bytes(encode_png(image))
    return path


@pytest.mark.parametrize("channels", [3, 4])
def test_an_image_comes_back_from_its_file_unchanged(tmp_path: Path, channels: int) -> None:
    image = NOISE[..., :channels]
    assert np.array_equal(read_image(write(tmp_path / "a.png", image)), image)


def test_averaging_weighs_color_by_alpha() -> None:
    opaque_red, clear_green = [255, 0, 0, 255], [0, 255, 0, 0]
    image = np.array([[opaque_red, clear_green], [clear_green, clear_green]], dtype=np.uint8)
    assert downsample(image, 2).tolist() == [[[255, 0, 0, 64]]]


def test_averaging_an_opaque_image_is_the_plain_mean() -> None:
    image = np.array([[[0, 10, 100], [20, 10, 100]], [[40, 10, 100], [60, 10, 103]]], dtype=np.uint8)
    assert downsample(image, 2).tolist() == [[[30, 10, 101]]]


def test_averaging_by_one_changes_nothing_and_a_uniform_image_stays_uniform() -> None:
    assert np.array_equal(downsample(NOISE, 1), NOISE)
    uniform = np.full((8, 8, 4), [200, 100, 50, 128], dtype=np.uint8)
    assert (downsample(uniform, 4) == [200, 100, 50, 128]).all()


def test_straight_alpha_is_black_where_nothing_is_covered() -> None:
    premultiplied = np.array([[[0.25, 0.5, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0]]])
    assert straight_alpha(premultiplied).tolist() == [[[128, 255, 0, 128], [0, 0, 0, 0]]]


@pytest.mark.parametrize("factor", [1.5, 2.0, 2.7, 5.0])
def test_any_factor_averages_areas_so_that_a_ramp_stays_a_ramp(factor: float) -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 60, dtype=np.float32)[None, :, None], (30, 60, 3))
    small = downsample(np.rint(ramp).astype(np.uint8), factor)
    assert small.shape == (int(30 / factor), int(60 / factor), 3)
    middles = (np.arange(small.shape[1]) + 0.5) * 60 / small.shape[1] - 0.5
    assert np.abs(small[0, :, 0] - middles * 255 / 59).max() <= 2.0
    assert (small == small[:1, :, :1]).all()


def test_a_factor_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", np.zeros((12, 18, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=r"a\.png: nothing is left of 18x12 with downsample 13"):
        read_images([path], downsample_factor=13)


def test_images_of_unequal_size_are_refused_with_the_names_of_both(tmp_path: Path) -> None:
    a = write(tmp_path / "a.png", np.zeros((6, 8, 3), dtype=np.uint8))
    b = write(tmp_path / "b.png", np.zeros((8, 6, 3), dtype=np.uint8))
    c = write(tmp_path / "c.png", np.zeros((6, 8, 4), dtype=np.uint8))
    with pytest.raises(DataError, match=r"b\.png is 6x8 RGB and .*a\.png is 8x6 RGB"):
        read_images([a, a, b])
    with pytest.raises(DataError, match=r"c\.png is 8x6 RGBA and .*a\.png is 8x6 RGB"):
        read_images([a, c])


@pytest.mark.parametrize("kept", [0, 20, 0.5, -40])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, kept: float) -> None:
    content = encode_png(np.random.default_rng(0).integers(0, 256, size=(64, 64, 4), dtype=np.uint8))
    path = tmp_path / "cut.png"
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(DataError, match=r"cut\.png: the image cannot be read"):
        read_image(path)


@pytest.mark.parametrize("mode", ["L", "I;16", "LA", "P", "1"])
def test_other_channels_than_rgb_and_rgba_are_refused_by_name(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "other.png"
    PIL.Image.new(mode, (4, 4)).save(path)
    with pytest.raises(DataError, match=r"other\.png: the image is of kind '.*'; convert it to RGB or RGBA"):
        read_image(path)


def test_a_missing_image_a_folder_and_a_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    for name, words in {"missing": "no such image", "text": "cannot be read", "folder": "cannot be read"}.items():
        with pytest.raises(DataError, match=rf"{name}\.png: .*{words}"):
            read_image(tmp_path / f"{name}.png")


def test_images_come_in_the_order_asked_for_and_a_long_read_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [write(tmp_path / f"{i}.png", np.full((2, 2, 3), i, dtype=np.uint8)) for i in range(9)]
    monkeypatch.setattr(images, "SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO):
        stack = read_images(paths[::-1])
    assert stack[:, 0, 0, 0].tolist() == list(range(8, -1, -1))
    assert "read 9 of 9 images" in caplog.text
