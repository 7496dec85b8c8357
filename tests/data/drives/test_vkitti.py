"""Virtual KITTI 2: what is written is read back, and what is wrong is named with its line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsg_cluster.config.driving import VKitti2Data
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.turns import about_y, rigid_inverse
from nsg_cluster.data.drives.vkitti import load_vkitti, read_vkitti, vkitti_files
from nsg_cluster.data.drives.vkitti_files import PoseRow
from nsg_cluster.data.drives.vkitti_layout import (
    ObjectRow,
    write_cameras,
    write_classes,
    write_depth,
    write_instances,
    write_objects,
    write_rgb,
)
from nsg_cluster.geometry.cameras import image_rays

FRAMES, WIDTH, HEIGHT = 6, 8, 4


def config(root: Path, **changes: Any) -> VKitti2Data:
    settings = {"scene": "06", "frames": "0-5", "protocol": "suds_75", "min_motion": 0.0}
    return VKitti2Data(kind="vkitti2", root=str(root), **(settings | changes))


def row(frame: int, camera: int, track: int) -> ObjectRow:
    """Return an object that drives to the right."""
    return ObjectRow(
        pose=PoseRow(
            frame=frame,
            camera=camera,
            track=track,
            size=(4.0, 1.5, 2.0),
            bottom=(float(frame), 1.0, 20.0 + track),
            turn_rad=(0.3, 0.0, 0.0),
        ),
        alpha_rad=0.0,
        camera_bottom=(0.0, 0.0, 0.0),
        camera_turn_rad=(0.0, 0.0, 0.0),
        image_box=(0, 1, 2, 3),
        pixels=9,
        truncation=0.0,
        occupancy=1.0,
        is_moving=True,
    )


def outside(frame: int, camera: int) -> np.ndarray:
    """Return a map from the world to a camera that turns and drives."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = about_y(0.1 * frame), (0.5 * camera, 0.0, 1.0 * frame)
    return rigid_inverse(pose)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A scene on disk."""
    (tmp_path / "Scene06" / "clone").mkdir(parents=True)
    files = vkitti_files(config(tmp_path))
    views = [(frame, camera) for frame in range(FRAMES) for camera in (0, 1)]
    inside = np.tile([4.0, 4.0, 3.5, 1.5], (len(views), 1))
    write_cameras(files, views, inside, np.stack([outside(*view) for view in views]))
    rows = [row(frame, camera, track) for frame, camera in views for track in (2, 5) if track == 2 or frame != 3]
    write_objects(files, rows, {2: ("Car", "Sedan4Door", "Black"), 5: ("Truck", "Big", "Red")})
    for frame, camera in views:
        write_rgb(files, camera, frame, np.full((HEIGHT, WIDTH, 3), 20 * frame + camera, dtype=np.uint8))
        depth = np.full((HEIGHT, WIDTH), 10.0)
        depth[0, 0] = np.inf
        write_depth(files, camera, frame, depth)
        write_instances(files, camera, frame, np.where(np.eye(HEIGHT, WIDTH) > 0, 5, -1))
    return tmp_path


def test_cameras_and_objects_are_read_back(root: Path) -> None:
    drive = read_vkitti(config(root))
    assert drive.names[:2] == ("left_000000", "left_000001")
    for view, (camera, frame) in enumerate(zip(drive.camera_ids.tolist(), drive.moments.tolist(), strict=True)):
        pose = np.linalg.inv(outside(frame, camera))[:3] @ np.diag([1, -1, -1, 1])
        np.testing.assert_allclose(drive.cameras.camera_to_world[view], pose, atol=1e-9)
    assert drive.cameras.center_px[0].tolist() == [4.0, 2.0]
    tracks = drive.tracks
    assert (tracks.ids, tracks.class_names) == ((2, 5), ("car", "truck"))
    assert [int((line >= 0).sum()) for line in tracks.table] == [2, 2, 2, 1, 2, 2]
    placed = tracks.object_to_world[tracks.at(torch.tensor([4]))[0, 0]]
    torch.testing.assert_close(placed[:, 3], torch.tensor([4.0, 1.0 - 0.75, 22.0], dtype=torch.float64))
    torch.testing.assert_close(tracks.yaws, torch.full_like(tracks.yaws, 0.3))


def test_images_depth_and_instances_are_read_and_split(root: Path) -> None:
    scene = load_vkitti(config(root, cameras="right"))
    assert scene.test.names == ("right_000004",)
    assert scene.test.images.float().mean() == pytest.approx(81, abs=2)
    assert scene.test.depth is not None
    assert scene.test.instances is not None
    assert math.isinf(float(scene.test.depth[0, 0, 0]))
    ray = image_rays(scene.test.cameras, 0).directions.reshape(HEIGHT, WIDTH, 3)
    axis = -scene.test.cameras.camera_to_world[0, :, 2]
    torch.testing.assert_close(scene.test.depth[0, 1:] * (ray[1:] @ axis), torch.full((HEIGHT - 1, WIDTH), 10.0))
    assert scene.test.instances[0].tolist() == np.where(np.eye(HEIGHT, WIDTH) > 0, 1, -1).tolist()
    half = load_vkitti(config(root, downsample=2)).train
    assert half.depth is not None
    assert half.images.shape == (10, 2, 4, 3)
    assert half.depth.shape == (10, 2, 4)
    without = load_vkitti(config(root, depth=False, segmentation=False)).train
    assert without.depth is None
    assert without.instances is None
    assert without.classes is None


def test_classes_are_read_by_the_colors_of_their_table(root: Path) -> None:
    files, names = vkitti_files(config(root)), ("Sky", "Car", "Road")
    shown = np.where(np.eye(HEIGHT, WIDTH) > 0, 1, 2)
    shown[0, 7] = 0
    assert load_vkitti(config(root)).train.classes is None
    for frame in range(FRAMES):
        for camera in (0, 1):
            write_classes(files, camera, frame, shown, names)
    found = load_vkitti(config(root)).test
    assert found.classes is not None and found.classes.shape == (2, HEIGHT, WIDTH)
    assert [found.class_names[index] for index in found.classes[0, 0].tolist()] == ["Car", *["Road"] * 6, "Sky"]
    table = files.table("colors")
    table.write_text(table.read_text().replace("Road 100 60 100", "Road 1 2 3"))
    again = load_vkitti(config(root)).test
    assert again.classes is not None and again.classes[0, 0].tolist()[1:7] == [-1] * 6, "a color that no class has"
    table.write_text(table.read_text().replace("Road 1 2 3", "Road 1 2"))
    with pytest.raises(DataError, match=r"colors\.txt:7: must be a class, and red, green and blue"):
        load_vkitti(config(root))


def test_what_is_absent_is_optional_but_images(root: Path) -> None:
    files = vkitti_files(config(root))
    files.image("depth", 0, 1).unlink()
    scene = load_vkitti(config(root))
    assert scene.train.depth is None
    assert scene.test.depth is not None
    files.image("rgb", 1, 2).unlink()
    with pytest.raises(DataError, match=r"scene 06: 1 of 10 images are missing.*'0-1, 3, 5'"):
        load_vkitti(config(root))
    with pytest.raises(DataError, match=r"no folder .*Scene06/fog' \(found: Scene06/clone\)"):
        load_vkitti(config(root, variant="fog"))


@pytest.mark.parametrize(
    ("table", "old", "new", "words"),
    [
        ("pose", "trackID", "track", "pose.txt:1: the header has no column trackID"),
        ("pose", " 4 1 1 ", " 4 1 ", "pose.txt:"),
        ("extrinsic", "0 0 1 ", "0 0 one ", "extrinsic.txt:2: 'one' in this line is not a finite number"),
        ("intrinsic", "3 0 4 4", "9 0 4 4", "intrinsic.txt: has no line for frame 3 of camera 0"),
        ("info", "5 Truck", "7 Truck", "info.txt: has no label for track 5, which pose.txt has"),
        ("info", "5 Truck", "five Truck", "info.txt:3: must begin with the number of a track"),
    ],
)
def test_a_broken_table_is_named_with_its_line(root: Path, table: str, old: str, new: str, words: str) -> None:
    file = vkitti_files(config(root)).table(table)
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(DataError) as caught:
        read_vkitti(config(root))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
