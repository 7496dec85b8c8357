"""Images that are kept between runs."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from nsg_cluster.config.data import TransformsData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data import image_cache
from nsg_cluster.data.image_cache import cached_images
from nsg_cluster.data.images import encode_png, read_images
from nsg_cluster.data.photographs.transforms import load_transforms
from tests.data import layouts


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    pixels = np.random.default_rng(0).integers(0, 256, size=(3, 12, 18, 3), dtype=np.uint8)
    for index, image in enumerate(pixels):
        (tmp_path / f"{index}.png").write_bytes(encode_png(image))
    return sorted(tmp_path.glob("*.png"))


def test_images_are_decoded_once(photographs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kept" / "here"
    first = cached_images(photographs, downsample_factor=2, folder=folder)
    assert np.array_equal(first, read_images(photographs, downsample_factor=2))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(image_cache, "read_images", refuse)
    assert np.array_equal(cached_images(photographs, downsample_factor=2, folder=folder), first)
    with pytest.raises(AssertionError, match="decoded again"):
        cached_images(photographs, downsample_factor=3, folder=folder)
    photographs[1].write_bytes(photographs[0].read_bytes())
    os.utime(photographs[1], ns=(1, 1))
    with pytest.raises(AssertionError, match="decoded again"):
        cached_images(photographs, downsample_factor=2, folder=folder)


def test_a_broken_file_is_made_again(photographs: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "kept"
    first = cached_images(photographs, downsample_factor=2, folder=folder)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(cached_images(photographs, downsample_factor=2, folder=folder), first)
    assert "reading the photographs again" in caplog.text
    assert file.read_bytes() == whole


def test_a_missing_photograph_is_said_and_nothing_is_kept(photographs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such image"):
        cached_images([*photographs, tmp_path / "absent.png"], downsample_factor=2, folder=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_data_set_uses_the_folder_that_its_configuration_names(tmp_path: Path) -> None:
    layouts.write_transforms(layouts.toybox(), tmp_path)
    config = TransformsData(kind="transforms", root=str(tmp_path), downsample=2, cache=str(tmp_path / "kept"))
    first, second = load_transforms(config), load_transforms(config)
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert bool((first.train.images == second.train.images).all())
