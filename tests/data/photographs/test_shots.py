"""Photographs before they are read: which are held out, and which cameras mean nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nsg_cluster.config.data import TransformsData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.photographs.assemble import cube, scene_of_all
from nsg_cluster.data.photographs.shots import Shots, check_cameras, hold_out, read_views
from nsg_cluster.data.photographs.text_poses import opengl_axes, read_numbers, read_pose
from nsg_cluster.data.photographs.transforms_file import is_number, read_document
from nsg_cluster.geometry.poses import sphere_views
from tests.data import layouts


def shots(count: int = 9, folder: Path = Path("photos")) -> Shots:
    return Shots(
        file=Path("list.txt"),
        images=tuple(folder / f"{index}.png" for index in range(count)),
        camera_to_world=sphere_views(torch.zeros(3).double(), 2.0, count, elevations_deg=(0, 45)),
        size_px=torch.full((count, 2), 16.0).double(),
        focal_px=torch.full((count, 2), 20.0).double(),
        center_px=torch.full((count, 2), 8.0).double(),
    )


def test_the_first_and_every_so_many_after_it_are_held_out_in_the_order_of_names() -> None:
    backwards = shots().chosen(range(8, -1, -1))
    train, test = hold_out(backwards, 4)
    assert [path.stem for path in test.images] == ["0", "4", "8"]
    assert [path.stem for path in train.images] == ["1", "2", "3", "5", "6", "7"]
    assert torch.equal(test.camera_to_world, shots().camera_to_world[::4])


def test_cameras_that_show_no_depth_are_refused() -> None:
    check_cameras(shots())
    same = shots().camera_to_world.clone()
    same[:, :, 3] = torch.tensor([1e3, 5.0, 2.0])
    with pytest.raises(DataError, match="all 9 cameras stand in one place"):
        check_cameras(shots().at(same))
    with pytest.raises(DataError, match="1 image is too few"):
        check_cameras(shots(1))


@pytest.mark.parametrize("what", ["camera_to_world", "size_px", "focal_px", "center_px"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_camera_with_a_value_that_is_not_finite_is_refused_by_the_name_of_its_image(what: str, value: float) -> None:
    broken = getattr(shots(), what).clone()
    broken[4].view(-1)[0] = value
    with pytest.raises(DataError, match=rf"list\.txt: {what} of 4\.png"):
        check_cameras(replace(shots(), **{what: broken}))


def test_views_that_share_a_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    scene = layouts.toybox()
    for name in ("left", "right"):
        layouts.pictures(tmp_path / name, scene.train, [str(index) for index in range(6)])
    both = replace(shots(2), images=(tmp_path / "left" / "0.png", tmp_path / "right" / "0.png"))
    views = read_views(both, downsample=1.6)
    assert views.names == ("left_0", "right_0")
    assert (views.cameras.width, views.cameras.height) == (10, 10)
    torch.testing.assert_close(views.cameras.focal_px, torch.full((2, 2), 12.5))


def test_notes_tell_how_much_of_what_is_known_lies_in_the_scene_box(tmp_path: Path) -> None:
    layouts.pictures(tmp_path, layouts.toybox().train, [str(index) for index in range(6)])
    config = TransformsData(kind="transforms", root=str(tmp_path), normalize="none", bound=1.5, hold_out_every=3)
    points = torch.tensor([[0.0, 1.4, 0.0], [0.0, 1.6, 0.0], [0.0, 0.0, 0.0], [-1.5, 0.0, 0.0]]).double()
    scene = scene_of_all(config, shots(6, tmp_path), points=points)
    assert scene.notes == ("75% of 4 known points lie in the scene box",)
    assert torch.equal(scene.box, cube(1.5))


def test_text_files_of_numbers_and_poses_are_read_with_either_layout(tmp_path: Path) -> None:
    pose = layouts.opencv_poses(layouts.toybox().train.cameras)[0]
    layouts.numbers(tmp_path / "square.txt", pose)
    layouts.numbers(tmp_path / "row.txt", pose.view(1, 16))
    assert torch.equal(read_pose(tmp_path / "square.txt"), read_pose(tmp_path / "row.txt"))
    assert torch.equal(opengl_axes(opengl_axes(pose[None, :3])), pose[None, :3])
    (tmp_path / "short.txt").write_text("1 2 3")
    assert read_numbers(tmp_path / "short.txt").tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(DataError, match=r"short\.txt: a pose has 16 numbers"):
        read_pose(tmp_path / "short.txt")


def test_all_numbers_of_a_document_are_floats(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"w": 3, "name": "3", "flag": true}')
    assert [is_number(value) for value in read_document(tmp_path / "t.json").values()] == [True, False, False]
