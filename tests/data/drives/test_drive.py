"""What a drive becomes: objects chosen, moments split, a box around everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nsg_cluster.config.driving import KittiData
from nsg_cluster.data.drives.camera_files import black_images
from nsg_cluster.data.drives.drive import Drive, Observation, Pictures, camera_indices, drive_scene, tracks_of
from nsg_cluster.geometry.cameras import Cameras

NUMBERS = (10, 11, 12, 40, 41)


def config(**changes: Any) -> KittiData:
    return KittiData(kind="kitti", root="/data", sequence="0006", **({"hold_out_every": 2} | changes))


def seen(frame: int, track: int, x: float, class_name: str = "car", length: float = 4.0) -> Observation:
    pose = np.eye(4)[:3]
    pose[0, 3] = x
    return Observation(frame=frame, track=track, class_name=class_name, size=(length, 1.5, 2.0), object_to_world=pose)


OBSERVATIONS = [
    seen(5, 1, 0.0, length=5.0),
    seen(10, 1, 1.0),
    seen(41, 1, 60.0),
    seen(11, 2, 3.0),
    seen(12, 2, 3.4),
    seen(12, 3, 9.0, "pedestrian"),
    seen(5, 4, 0.0),
]


def drive() -> Drive:
    tracks, notes = tracks_of(OBSERVATIONS, NUMBERS, config())
    poses = torch.eye(4, dtype=torch.float64)[None, :3].repeat(10, 1, 1)
    poses[:, 0, 3] = torch.arange(10) % 5
    cameras = Cameras(
        camera_to_world=poses,
        focal_px=torch.full((10, 2), 20.0, dtype=torch.float64),
        center_px=torch.full((10, 2), 4.0, dtype=torch.float64),
        width=8,
        height=4,
        frames=torch.arange(5).repeat(2),
    )
    ids = torch.arange(2).repeat_interleave(5)
    return Drive(cameras=cameras, camera_ids=ids, frame_numbers=NUMBERS, tracks=tracks, notes=notes)


def test_what_stands_still_is_background_and_a_pedestrian_never_is() -> None:
    tracks, notes = tracks_of(OBSERVATIONS, NUMBERS, config())
    assert tracks.ids == (1, 3)
    assert notes == ("tracks that stand still or are excluded, and belong to the background: 2",)
    assert tracks.table.tolist() == [[0], [-1], [1], [-1], [2]]
    assert tracks.classes.tolist() == [tracks.class_names.index("car"), tracks.class_names.index("pedestrian")]


def test_a_size_is_that_of_the_first_label_of_all_and_margins_are_those_of_the_class() -> None:
    tracks, _ = tracks_of(OBSERVATIONS, NUMBERS, config(box_scale=1.9))
    assert tracks.sizes[0].tolist() == [5.0, 1.5, 2.0]
    assert tracks.margins.tolist() == [[1.9, 1.0, 1.9], [1.2, 1.0, 1.2]]


def test_both_cameras_share_what_is_held_out() -> None:
    asked: list[Sequence[int]] = []

    def look(views: Sequence[int]) -> Pictures:
        asked.append(views)
        return Pictures(images=black_images(len(views), 8, 4))

    scene = drive_scene(drive(), config(), look)
    assert asked == [[0, 2, 4, 5, 7, 9], [1, 3, 6, 8]]
    assert scene.test.names == ("left_000011", "left_000040", "right_000011", "right_000040")
    assert scene.train.camera_ids is not None
    assert scene.train.camera_ids.tolist() == [0, 0, 0, 1, 1, 1]
    assert scene.train.cameras.camera_to_world.dtype == torch.float32
    assert scene.tracks is not None
    assert scene.tracks.object_to_world.dtype == torch.float32
    same = drive_scene(drive(), config(protocol="reconstruction", hold_out_every=None), look)
    assert same.test is same.train


def test_the_box_holds_cameras_and_objects_or_is_as_large_as_asked_around_the_cameras() -> None:
    def look(views: Sequence[int]) -> Pictures:
        return Pictures(images=black_images(len(views), 8, 4))

    box = drive_scene(drive(), config(), look).box
    assert box[0, 0] <= 0
    assert box[1, 0] >= 62.0
    assert len(set((box[1] - box[0]).tolist())) == 1
    asked = drive_scene(drive(), config(bound=3.0), look).box
    torch.testing.assert_close(asked, torch.tensor([[-1.0, -3.0, -3.0], [5.0, 3.0, 3.0]]))


def test_cameras_have_names() -> None:
    assert [camera_indices(name) for name in ("left", "right", "both")] == [(0,), (1,), (0, 1)]
