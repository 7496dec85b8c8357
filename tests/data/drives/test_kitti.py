"""KITTI tracking: the golden poses and boxes, what is written is read back, and what is missing is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsg_cluster.config.driving import KittiData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.kitti import kitti_files, load_kitti, read_kitti
from nsg_cluster.data.drives.kitti_layout import copy_texts, write_image
from nsg_cluster.geometry.cameras import pixel_rays

GOLDEN = "objects_frame_tid_x_y_z_yaw_l_h_w_class"


def config(root: Path, **changes: Any) -> KittiData:
    settings = {"sequence": "0006", "frames": "65-120", "image_size": (1242, 375), "protocol": "reconstruction"}
    return KittiData(kind="kitti", root=str(root), **(settings | changes))


@pytest.fixture(scope="module")
def real(data_root: Path) -> Path:
    return data_root / "kitti"


def test_poses_and_objects_of_0006_equal_those_of_the_original(data_root: Path, real: Path) -> None:
    golden = np.load(data_root / "nsg_golden_0006" / "golden.npz")
    drive = read_kitti(config(real, geometry="nsg_compat"))
    np.testing.assert_allclose(drive.cameras.camera_to_world, golden["poses_c2w_opengl"][:, :3], atol=1e-12)
    assert [drive.frame_numbers[moment] for moment in drive.moments.tolist()] == golden["frames"].tolist()
    assert (drive.camera_ids + 2).tolist() == golden["cams"].tolist()
    assert float(drive.cameras.focal_px[0, 0]) == golden["focal"]
    tracks, table = drive.tracks, golden[GOLDEN]
    frames = np.array(drive.frame_numbers)[tracks.frames]
    ids = np.array(tracks.ids)[tracks.owners]
    ours, theirs = np.lexsort((ids, frames)), np.lexsort((table[:, 1], table[:, 0]))
    sizes = tracks.sizes[tracks.owners].numpy()
    bottom = tracks.object_to_world[:, :, 3].numpy() + np.array([0, 0.5, 0]) * sizes
    found = np.column_stack([frames, ids, bottom, tracks.yaws, sizes])[ours]
    np.testing.assert_allclose(found, table[theirs, :9], atol=1e-12)
    assert tracks.class_names == ("car", "truck")


def test_a_pixel_of_the_original_looks_where_it_looks_there(real: Path) -> None:
    cameras = read_kitti(config(real, geometry="nsg_compat")).cameras[:1]
    zero = torch.zeros(1, dtype=torch.long)
    rays = pixel_rays(cameras, zero, zero + 30, zero + 700)
    wanted = torch.tensor([(700 - 621.0) / 721.5377, -(30 - 187.5) / 721.5377, -1.0], dtype=torch.float64)
    wanted = cameras.camera_to_world[0, :, :3] @ wanted
    torch.testing.assert_close(rays.directions[0], wanted / wanted.norm())


@pytest.mark.parametrize("track", [2, 3, 8])
def test_exact_geometry_puts_a_box_where_the_label_says_it_is_in_the_image(real: Path, track: int) -> None:
    drive = read_kitti(config(real, frames="80", cameras="left", min_motion=0.0))
    labels = kitti_files(config(real)).labels.read_text().splitlines()
    label = next(text.split() for text in labels if text.startswith(f"80 {track} "))
    corners = drive.tracks.corners()[drive.tracks.owners == drive.tracks.index_of(track)][0]
    pose = drive.cameras.camera_to_world[0]
    x, y, z = ((corners - pose[:, 3]) @ pose[:, :3]).unbind(-1)
    pixels = drive.cameras.center_px[0] + drive.cameras.focal_px[0] * torch.stack([x, -y], dim=1) / -z[:, None]
    found = [*pixels.amin(0).tolist(), *pixels.amax(0).tolist()]
    np.testing.assert_allclose(found, [float(value) + 0.5 for value in label[6:10]], atol=0.5)


def test_the_cameras_are_where_the_calibration_says(real: Path) -> None:
    drive = read_kitti(config(real))
    left, right = drive.cameras[:56], drive.cameras[56:]
    apart = (left.camera_to_world[:, :, 3] - right.camera_to_world[:, :, 3]).norm(dim=-1)
    torch.testing.assert_close(apart, torch.full_like(apart, 0.5327), atol=1e-3, rtol=0)
    assert drive.cameras.center_px[0].tolist() == [609.5593 + 0.5, 172.8540 + 0.5]
    first = read_kitti(config(real, origin="selection", cameras="left")).cameras.camera_to_world[0, :, 3]
    assert float(first.norm()) < 2.0


def test_parked_cars_are_left_to_the_background_unless_asked_for(real: Path) -> None:
    everything = read_kitti(config(real, min_motion=0.0)).tracks
    fast = read_kitti(config(real, min_motion=30.0))
    assert set(fast.tracks.ids) < set(everything.ids)
    assert "stand still" in fast.notes[-1]
    without = read_kitti(config(real, exclude_tracks=(9,))).tracks
    assert 9 not in without.ids
    assert without.class_names == ("car",)


def test_a_track_that_vanishes_and_comes_back_has_no_box_meanwhile(real: Path, tmp_path: Path) -> None:
    copy_texts(kitti_files(config(real)), kitti_files(config(tmp_path)))
    labels = kitti_files(config(tmp_path)).labels
    gone = [f"{frame} 9 " for frame in range(80, 90)]
    lines = [line for line in labels.read_text().splitlines() if not line.startswith(tuple(gone))]
    labels.write_text("\n".join(lines))
    tracks = read_kitti(config(tmp_path)).tracks
    frames = tracks.frames[tracks.owners == tracks.index_of(9)].tolist()
    assert frames == [frame - 65 for frame in range(68, 121) if not 80 <= frame < 90]


def test_frames_without_objects_and_a_car_that_stands_are_fine(real: Path, tmp_path: Path) -> None:
    copy_texts(kitti_files(config(real)), kitti_files(config(tmp_path)))
    files = kitti_files(config(tmp_path))
    files.labels.write_text("")
    files.oxts.write_text("\n".join([files.oxts.read_text().splitlines()[0]] * 130))
    scene = load_kitti(config(tmp_path), with_images=False)
    assert scene.tracks is not None
    assert scene.tracks.at(torch.tensor([3])).tolist() == [[-1]]
    assert float((scene.box[1] - scene.box[0]).min()) > 10.0


def test_images_are_read_cut_and_split(real: Path, tmp_path: Path) -> None:
    small = config(tmp_path, frames="65-72", protocol="suds_75", downsample=2, image_size=None)
    files = kitti_files(small)
    copy_texts(kitti_files(config(real)), files)
    for camera in (0, 1):
        for frame in range(65, 73):
            image = np.full((5, 7, 3), 10 * camera + frame, dtype=np.uint8)
            image[4:], image[:, 6:] = 255, 255
            write_image(files, camera, frame, image)
    scene = load_kitti(small)
    assert scene.test.names == ("left_000069", "right_000069")
    assert scene.test.cameras.frames is not None
    assert scene.test.cameras.frames.tolist() == [4, 4]
    assert scene.train.images.shape == (14, 2, 3, 3)
    assert scene.test.images[:, 0, 0, 0].tolist() == [69, 79]
    assert scene.train.camera_ids is not None
    assert scene.train.camera_ids.tolist() == [0] * 7 + [1] * 7
    torch.testing.assert_close(scene.train.cameras.center_px[0] * 2, torch.tensor([610.0593, 173.3540]))
    (files.images(1) / "000066.png").unlink()
    with pytest.raises(DataError, match=r"1 of 14 images are missing.*set data.frames.*'65, 67-68, 70-72'"):
        load_kitti(small)


def test_what_is_missing_is_told_in_one_sentence(real: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of the 112 images exists.*data.image_size"):
        load_kitti(config(real, image_size=None))
    with pytest.raises(DataError, match=r"beyond the last frame of kitti 0006, which is 269"):
        read_kitti(config(real, frames="200-400"))
    with pytest.raises(DataError, match="there is no folder"):
        read_kitti(config(tmp_path / "nothing"))
    with pytest.raises(DataError, match=r"image_size says 10x10 and .* is 1242x375"):
        read_kitti(config(real, sequence="0001", frames="10", image_size=(10, 10)))


def test_a_sequence_that_is_not_there_is_told_beside_those_that_are(real: Path) -> None:
    with pytest.raises(DataError, match=r"data\.sequence: there is no sequence '0099' in .*, which has 0001"):
        read_kitti(KittiData(kind="kitti", root=str(real), sequence="0099", image_size=(1242, 375)))


def test_two_hundred_frames_of_objects_take_kilobytes(real: Path) -> None:
    scene = load_kitti(config(real, frames="0-269"), with_images=False)
    tracks = scene.tracks
    assert tracks is not None
    values = [getattr(tracks, name) for name in tracks.__dataclass_fields__]
    assert sum(value.nbytes for value in values if isinstance(value, torch.Tensor)) < 100_000
    assert scene.train.images.untyped_storage().nbytes() == 3
