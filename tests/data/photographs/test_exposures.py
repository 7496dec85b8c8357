"""Several exposures of each view, as HDR-NeRF lays them out, and what a field learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsg_cluster.config.data import LlffData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.photographs.exposures import all_exposures
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import image_rays
from tests.data import layouts

HDR = {"kind": "llff", "images": "input_images", "file": "poses_bounds_exps.npy", "views": "around"}


def load(root: Path, **changes: Any) -> Scene:
    return load_scene(LlffData.model_validate({**HDR, "root": str(root), **changes}))


def test_each_image_has_the_exposure_of_its_row_and_its_rays_are_told(tmp_path: Path) -> None:
    layouts.write_hdr(layouts.toybox(), tmp_path)
    scene = load(tmp_path, hold_out="exposures")
    assert scene.train.names == tuple(f"{view:03d}_{number}" for view in (0, 2, 4) for number in (0, 2, 4))
    assert scene.test.names == tuple(f"{view:03d}_{number}" for view in (1, 3, 5) for number in (1, 3))
    # The geometric mean of the five times is 2 s.
    assert scene.train.cameras.stops is not None and scene.test.cameras.stops is not None
    torch.testing.assert_close(scene.train.cameras.stops, torch.tensor([-4.0, 0.0, 4.0]).repeat(3))
    torch.testing.assert_close(scene.test.cameras.stops, torch.tensor([-2.0, 2.0]).repeat(3))
    rays = image_rays(scene.train.cameras[torch.tensor([2, 0])], 1)
    assert rays.stops is not None and rays[:5].stops is not None
    assert set(rays.stops.tolist()) == {-4.0}
    whole = load(tmp_path, hold_out_every=8)
    assert (len(whole.train), len(whole.test)) == (26, 4)


def test_a_table_in_the_configuration_tells_exposures_by_the_names(tmp_path: Path) -> None:
    layouts.write_hdr(layouts.toybox(), tmp_path, columns=17)
    assert load(tmp_path).train.cameras.stops is None
    scene = load(tmp_path, exposures=layouts.EXPOSURES_S, hold_out="exposures")
    assert scene.train.cameras.stops is not None
    torch.testing.assert_close(scene.train.cameras.stops, torch.tensor([-4.0, 0.0, 4.0]).repeat(3))


def test_colmap_may_have_registered_one_exposure_of_each_view(tmp_path: Path) -> None:
    views = [tmp_path / f"{view}_2.png" for view in ("a", "b")]
    for view in ("a", "b"):
        for number in range(4):
            (tmp_path / f"{view}_{number}.png").touch()
    (tmp_path / "b_0.png").unlink()
    found = all_exposures(Path("sparse"), views, 5)
    assert [(index, image.stem) for index, image in found] == [
        (0, "a_0"), (0, "a_1"), (0, "a_2"), (0, "a_3"), (1, "b_1"), (1, "b_2"), (1, "b_3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exposures": (1.0, 2.0)}, "its exposure has number 2, and data.exposures lists 2"),
        ({"images": "plain", "exposures": (1.0, 2.0)}, "image000.png: no number of an exposure at its end"),
        ({"images": "plain", "hold_out": "exposures"}, "no number of an exposure at its end"),
        ({"images": "single", "hold_out": "exposures"}, "several exposures of at least two views"),
    ],
)
def test_names_that_tell_no_exposure_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    scene = layouts.toybox()
    layouts.write_hdr(scene, tmp_path, columns=17)
    if "images" in changes:
        rows = np.load(tmp_path / "poses_bounds_exps.npy")[::5]
        np.save(tmp_path / "poses_bounds_exps.npy", rows)
        ending = "" if changes["images"] == "plain" else "_1"
        names = [f"image{index:03d}{ending}" for index in range(6)]
        layouts.pictures(tmp_path / changes["images"], scene.train, names)
    with pytest.raises(DataError) as caught:
        load(tmp_path, **changes)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_an_exposure_of_no_time_is_refused_by_its_row(tmp_path: Path, seconds: float) -> None:
    layouts.write_hdr(layouts.toybox(), tmp_path)
    rows = np.load(tmp_path / "poses_bounds_exps.npy")
    rows[7, 17] = seconds
    np.save(tmp_path / "poses_bounds_exps.npy", rows)
    with pytest.raises(DataError, match=f"the exposure of row 7 is {seconds:g}; it must be more than 0 s"):
        load(tmp_path)


@pytest.mark.parametrize("exposures", [(1.0,), (2.0, 2.0), (1.0, 0.0)])
def test_a_table_of_no_use_is_refused(exposures: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="exposures"):
        LlffData.model_validate({**HDR, "root": "x", "exposures": exposures})
