"""The Blender format: written and read back, the real lego, and everything that can be wrong with a folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from nsg_cluster.config.data import BlenderData, SyntheticData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.images import downsample
from nsg_cluster.data.photographs.blender import load_blender, write_blender
from nsg_cluster.data.procedural.synthetic import load_synthetic
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import image_rays

TOYBOX = SyntheticData(image_size=24, train_views=4, test_views=3, supersample=2)


def config(root: Path, **changes: Any) -> BlenderData:
    return BlenderData(kind="blender", root=str(root), **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scene on disk."""
    write_blender(load_synthetic(TOYBOX), tmp_path / "toybox")
    return tmp_path / "toybox"


def edit(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the content of a transforms file."""
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def assert_refused(root: Path, *words: str, **changes: Any) -> None:
    """Check that the folder is refused by one sentence with these words in it."""
    with pytest.raises(DataError) as caught:
        load_blender(config(root, **changes))
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_a_scene_that_is_written_and_read_back_has_the_same_images_and_rays(folder: Path) -> None:
    written, read = load_synthetic(TOYBOX), load_blender(config(folder))
    for before, after in ((written.train, read.train), (written.test, read.test)):
        assert torch.equal(before.images, after.images)
        assert before.names == after.names
        for index in range(len(before)):
            ours, theirs = image_rays(before.cameras, index), image_rays(after.cameras, index)
            assert torch.equal(ours.origins, theirs.origins)
            torch.testing.assert_close(ours.directions, theirs.directions, rtol=0, atol=1e-7)
            torch.testing.assert_close(ours.radii, theirs.radii)
    assert read.notes == ()
    assert (read.near, read.far) == (2.0, 6.0)
    assert read.box.tolist() == [[-1.5] * 3, [1.5] * 3]


def test_downsampling_keeps_the_field_of_view_and_averages_the_images(folder: Path) -> None:
    full, half = load_blender(config(folder)), load_blender(config(folder, downsample=2))
    assert (half.train.cameras.width, half.train.cameras.height) == (12, 12)
    torch.testing.assert_close(half.train.cameras.focal_px, full.train.cameras.focal_px / 2)
    torch.testing.assert_close(half.train.cameras.center_px, full.train.cameras.center_px / 2)
    assert np.array_equal(half.train.images[1].numpy(), downsample(full.train.images[1].numpy(), 2))


def test_a_factor_that_leaves_nothing_of_the_images_is_refused(folder: Path) -> None:
    assert_refused(folder, "downsample 25", "24x24", "nothing is left", downsample=25)


def test_splits_and_numbers_of_views_can_be_chosen(folder: Path) -> None:
    both = load_blender(config(folder, train_splits=("train", "test"), test_split="val", max_test_views=2))
    assert both.train.names == (*(f"train_r_{i}" for i in range(4)), *(f"test_r_{i}" for i in range(3)))
    assert both.test.names == ("r_0", "r_1")
    few = load_blender(config(folder, max_train_views=2))
    assert few.train.names == ("r_0", "r_1")
    assert len(few.train.cameras) == 2


def test_held_out_images_that_are_missing_are_left_out_and_told(folder: Path) -> None:
    (folder / "val" / "r_1.png").unlink()
    scene = load_blender(config(folder))
    assert scene.notes == ("val: 1 of 3 listed images are missing; using 2",)
    assert scene.test.names == ("r_0", "r_2")
    whole = load_synthetic(TOYBOX).test
    assert torch.equal(scene.test.cameras.camera_to_world, whole.cameras.camera_to_world[[0, 2]])


def test_training_images_that_are_missing_are_an_error_that_counts_them(folder: Path) -> None:
    (folder / "train" / "r_1.png").unlink()
    (folder / "train" / "r_3.png").unlink()
    assert_refused(folder, "transforms_train.json", "2 of its 4 images are missing", "train/r_1.png")


def test_no_held_out_image_at_all_is_an_error(folder: Path) -> None:
    for path in (folder / "val").iterdir():
        path.unlink()
    assert_refused(folder, "transforms_val.json", "none of its 3 images exists", "val/r_0.png")


@pytest.mark.parametrize("name", ["train/r_0.png", "./train/r_0", "train/r_0"])
def test_images_may_be_named_with_or_without_their_ending(folder: Path, name: str) -> None:
    edit(folder / "transforms_train.json", lambda document: document["frames"][0].update(file_path=name))
    assert load_blender(config(folder)).train.names[0] == "r_0"


def test_a_name_with_a_dot_in_it_is_not_taken_for_an_ending(folder: Path) -> None:
    (folder / "train" / "r_0.png").rename(folder / "train" / "view.0.png")
    edit(folder / "transforms_train.json", lambda document: document["frames"][0].update(file_path="./train/view.0"))
    assert load_blender(config(folder)).train.names[0] == "view.0"


def test_rgb_images_are_read_as_they_are(folder: Path) -> None:
    for path in (folder / "train").iterdir():
        PIL.Image.open(path).convert("RGB").save(path)
    assert load_blender(config(folder)).train.images.shape == (4, 24, 24, 3)


def test_a_folder_that_is_missing_is_refused_with_the_key_to_set(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere", "data.root", "nowhere")


def test_a_folder_without_transforms_says_what_is_there(folder: Path) -> None:
    (folder / "transforms_train.json").unlink()
    assert_refused(folder, "transforms_train.json", "transforms_test.json, transforms_val.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "transforms_train.json:1: "),
        (b'{\n "camera_angle_x": 0.7,\n "frames": [,]\n}', "transforms_train.json:3: "),
        (b"\xff\xfe\x00binary", "cannot be read"),
        (b"[1, 2]", "must hold a JSON object"),
        (b'{"camera_angle_x": 0.7, "frames": []}', "lists no images"),
        (b'{"camera_angle_x": 0.7}', "lists no images"),
        (b'{"camera_angle_x": 0.7, "frames": [3]}', "frame 0 has no file_path"),
        (b'{"camera_angle_x": 0.7, "frames": [{"file_path": "a"}]}', "frame 0 must be four rows of four numbers"),
        (b"[" * 100_000, "transforms_train.json"),
    ],
    ids=["empty", "broken", "binary", "list", "no frames", "absent frames", "frame is a number", "no pose", "deep"],
)
def test_a_broken_transforms_file_is_refused_with_its_place(folder: Path, content: bytes, words: str) -> None:
    (folder / "transforms_train.json").write_bytes(content)
    assert_refused(folder, "transforms_train.json", words)


@pytest.mark.parametrize("angle", [None, 0, -0.5, math.pi, 40, "wide", float("nan"), True])
def test_a_field_of_view_that_is_absent_or_absurd_is_refused(folder: Path, angle: object) -> None:
    edit(folder / "transforms_val.json", lambda document: document.update(camera_angle_x=angle))
    assert_refused(folder, "transforms_val.json: camera_angle_x", "between 0 and pi")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m[0].__setitem__(3, float("nan")), "not finite"),
        (lambda m: m[1].__setitem__(3, float("inf")), "not finite"),
        (lambda m: m[1].__setitem__(3, 10**400), "not finite"),
        (lambda m: m[0].__setitem__(0, 3), "not rigid"),
        (lambda m: [row.__setitem__(0, -row[0]) for row in m], "mirrors"),
        (lambda m: m[3].__setitem__(3, 0.5), "last row"),
        (lambda m: m.pop(), "four rows of four numbers"),
        (lambda m: m[2].__setitem__(2, "1"), "four rows of four numbers"),
    ],
    ids=["NaN", "infinite", "huge", "stretched", "mirrored", "last row", "three rows", "text"],
)
def test_a_pose_that_is_none_is_refused_with_its_frame(folder: Path, change: Callable[[Any], Any], words: str) -> None:
    edit(folder / "transforms_train.json", lambda document: change(document["frames"][2]["transform_matrix"]))
    assert_refused(folder, "transforms_train.json: transform_matrix of frame 2", words)


def test_a_truncated_png_is_refused_by_name(folder: Path) -> None:
    path = folder / "train" / "r_2.png"
    path.write_bytes(path.read_bytes()[:-200])
    assert_refused(folder, "train/r_2.png", "cannot be read")


def test_images_of_unequal_size_are_refused_by_both_names(folder: Path) -> None:
    path = folder / "train" / "r_2.png"
    PIL.Image.open(path).resize((12, 24)).save(path)
    assert_refused(folder, "train/r_2.png is 12x24 RGBA", "train/r_0.png is 24x24 RGBA")


def test_the_real_lego_loads_with_a_note_about_its_validation_views(data_root: Path) -> None:
    root = data_root / "nerf_synthetic" / "lego"
    if not root.is_dir():
        pytest.skip(f"no Blender lego at {root}")
    scene: Scene = load_blender(config(root, downsample=8, max_train_views=3))
    assert scene.notes == ("val: 90 of 100 listed images are missing; using 10",)
    assert scene.test.names == tuple(f"r_{i}" for i in range(0, 100, 10))
    assert scene.train.images.shape == (3, 100, 100, 4)
    assert float(scene.train.cameras.focal_px[0, 0]) == pytest.approx(1111.1110311937682 / 8, rel=1e-6)
    # The optical axes of all cameras go through the middle of the scene, to within the artist's aim.
    poses = scene.test.cameras.camera_to_world
    to_origin = -poses[:, :, 3] / poses[:, :, 3].norm(dim=-1, keepdim=True)
    assert float((-poses[:, :, 2] * to_origin).sum(dim=-1).min()) > 0.99
