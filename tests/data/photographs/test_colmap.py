"""COLMAP's files, written by COLMAP's own library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsg_cluster.config.data import ColmapData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.photographs.colmap import load_colmap
from nsg_cluster.data.photographs.colmap_files import read_cameras, read_images_of_colmap, read_points
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import image_rays
from tests.data import layouts

pycolmap = pytest.importorskip("pycolmap", reason="missing here: the package pycolmap, which writes the files")

PINHOLE = {"PINHOLE": [18.0, 19.0, 8.5, 7.5]}
LENSES = {
    "SIMPLE_PINHOLE": [18.0, 8.5, 7.5],
    "SIMPLE_RADIAL": [18.0, 8.5, 7.5, 0.05],
    "RADIAL": [18.0, 8.5, 7.5, 0.05, -0.02],
    "OPENCV": [18.0, 19.0, 8.5, 7.5, 0.05, -0.02, 0.002, -0.001],
    "OPENCV_FISHEYE": [18.0, 19.0, 8.5, 7.5, 0.05, -0.02, 0.004, -0.001],
    "FULL_OPENCV": [18.0, 19.0, 8.5, 7.5, 0.15, -0.02, 0.002, -0.001, 0.01, 0.1, 0.02, 0.01],
    "FOV": [18.0, 19.0, 8.5, 7.5, 0.4],
    "SIMPLE_RADIAL_FISHEYE": [18.0, 8.5, 7.5, 0.05],
    "RADIAL_FISHEYE": [18.0, 8.5, 7.5, 0.05, -0.02],
    "THIN_PRISM_FISHEYE": [18.0, 19.0, 8.5, 7.5, 0.05, -0.02, 0.0, 0.0, 0.01, 0.0, 0.0, 0.0],
}
FORMS = ["write_binary", "write_text"]


def write(root: Path, *, model: str = "PINHOLE", form: str = "write_binary", points: int = 5) -> Scene:
    """Write the toy box as a reconstruction; every model sees the same poses."""
    scene = layouts.toybox()
    made = pycolmap.Reconstruction()
    camera = pycolmap.Camera(model=model, width=16, height=16, params={**PINHOLE, **LENSES}[model], camera_id=3)
    made.add_camera_with_trivial_rig(camera)
    names = [f"shot {index}" for index in range(len(scene.train))]
    layouts.pictures(root / "images", scene.train, names)
    for index, (name, pose) in enumerate(zip(names, layouts.opencv_poses(scene.train.cameras), strict=True)):
        moved = pycolmap.Rigid3d(np.linalg.inv(pose.numpy())[:3])
        image = pycolmap.Image(name=f"{name}.png", camera_id=3, image_id=index + 10)
        made.add_image_with_trivial_frame(image, moved)
    for index in range(points):
        made.add_point3D(
            np.array([0.1 * index, 0.2, 9.0 * (index == 0)]), pycolmap.Track(), np.zeros(3, dtype=np.uint8)
        )
    (root / "sparse" / "0").mkdir(parents=True)
    getattr(made, form)(str(root / "sparse" / "0"))
    return scene


def load(root: Path, **changes: Any) -> Scene:
    return load_colmap(ColmapData.model_validate({"kind": "colmap", "root": str(root), "hold_out_every": 2, **changes}))


@pytest.mark.parametrize("form", FORMS)
def test_a_reconstruction_gives_back_cameras_images_and_points(tmp_path: Path, form: str) -> None:
    scene = write(tmp_path, form=form)
    read = load(tmp_path, normalize="none")
    kept, _ = layouts.of_all(scene)
    torch.testing.assert_close(read.train.cameras.camera_to_world, kept.camera_to_world, rtol=0, atol=1e-5)
    assert read.train.cameras.focal_px[0].tolist() == [18.0, 19.0]
    assert read.train.cameras.center_px[0].tolist() == [8.5, 7.5]
    assert torch.equal(read.test.images, scene.train.images[::2])
    assert read.notes == ("80% of 5 known points lie in the scene box",)


@pytest.mark.parametrize("model", LENSES)
def test_every_camera_model_sees_what_colmap_sees(tmp_path: Path, model: str) -> None:
    write(tmp_path, model=model)
    cameras = load(tmp_path, normalize="none").train.cameras
    rays = image_rays(cameras, 0)
    in_camera = rays.directions @ cameras.camera_to_world[0, :, :3] * torch.tensor([1.0, -1.0, -1.0])
    reference = pycolmap.Camera(model=model, width=16, height=16, params=LENSES[model])
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    pixels = torch.stack([columns, rows], dim=-1).view(-1, 2).double() + 0.5
    seen = reference.img_from_cam(in_camera.double().numpy())
    worst = 0.25 if model in {"FULL_OPENCV", "FOV"} else 1e-3
    assert float((torch.from_numpy(np.array(seen)) - pixels).abs().max()) < worst


def test_two_cameras_of_one_reconstruction_keep_their_own_intrinsics(tmp_path: Path) -> None:
    write(tmp_path, model="SIMPLE_RADIAL", form="write_text")
    for file, old, new in (
        ("cameras.txt", "3 SIMPLE_RADIAL", "4 PINHOLE 16 16 20 21 8 8\n3 SIMPLE_RADIAL"),
        ("images.txt", " 3 shot 1.png", " 4 shot 1.png"),
    ):
        path = tmp_path / "sparse" / "0" / file
        path.write_text(path.read_text().replace(old, new))
    cameras = load(tmp_path).train.cameras
    assert cameras.focal_px.tolist() == [[20.0, 21.0], [18.0, 18.0], [18.0, 18.0]]
    assert cameras.distortion is not None
    torch.testing.assert_close(cameras.distortion[:, 0], torch.tensor([0.0, 0.05, 0.05]))


def test_a_reconstruction_without_points_says_so(tmp_path: Path) -> None:
    write(tmp_path, points=0)
    assert len(read_points(tmp_path / "sparse" / "0")) == 0
    assert "no point" in load(tmp_path).notes[0]
    (tmp_path / "sparse" / "0" / "points3D.bin").unlink()
    assert "no point" in load(tmp_path).notes[0]


def refused(root: Path, *words: str, **changes: Any) -> None:
    with pytest.raises(DataError) as caught:
        load(root, **changes)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    refused(tmp_path, "neither cameras.bin nor cameras.txt")
    write(tmp_path)
    refused(tmp_path, "images_4", "folders of images beside it: images", images="images_4")
    (tmp_path / "sparse" / "0" / "images.bin").unlink()
    refused(tmp_path, "neither images.bin nor images.txt")


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin", "points3D.bin"])
def test_a_binary_file_that_is_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    file = tmp_path / "sparse" / "0" / name
    whole = file.read_bytes()
    for length in (0, 5, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        refused(tmp_path, name, "cut short")


def test_a_text_file_with_a_wrong_line_is_refused_by_its_number(tmp_path: Path) -> None:
    write(tmp_path, form="write_text")
    folder = tmp_path / "sparse" / "0"
    (folder / "cameras.txt").write_text("# a comment\n3 PINHOL 16 16 18 19 8 8\n")
    refused(tmp_path, "cameras.txt:2", "Did you mean 'PINHOLE'?")
    (folder / "cameras.txt").write_text("3 PINHOLE 16 16 18 x 8 8\n")
    refused(tmp_path, "cameras.txt:1", "'x'")
    (folder / "cameras.txt").write_text("3 PINHOLE 16 16 18 19 8\n")
    refused(tmp_path, "cameras.txt:1", "6 numbers are needed")
    (folder / "cameras.txt").write_text("4 PINHOLE 16 16 18 19 8 8\n")
    refused(tmp_path, "shot 0.png", "camera 3")


def test_lenses_that_cannot_be_expressed_are_refused(tmp_path: Path) -> None:
    write(tmp_path, form="write_text")
    file = tmp_path / "sparse" / "0" / "cameras.txt"
    file.write_text("3 THIN_PRISM_FISHEYE 16 16 18 19 8 8 0.1 0 0 0 0 0 0.01 0\n")
    refused(tmp_path, "THIN_PRISM_FISHEYE", "undistort")
    file.write_text("3 FULL_OPENCV 1600 1600 900 900 800 800 0.1 0 0 0 0 9.5 0.4 0.3\n")
    refused(tmp_path, "FULL_OPENCV", "pixels only")


def test_names_and_numbers_are_those_of_the_files(tmp_path: Path) -> None:
    write(tmp_path)
    folder = tmp_path / "sparse" / "0"
    assert [image.name for image in read_images_of_colmap(folder)] == [f"shot {index}.png" for index in range(6)]
    assert {number: camera.model for number, camera in read_cameras(folder).items()} == {3: "PINHOLE"}
