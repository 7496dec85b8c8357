"""Every format of photographs: the same scene written and read back, and everything that can be wrong with a folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from nsg_cluster.config.data import LlffData, NerfppData, NsvfData, RtmvData, TransformsData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.photographs.llff import load_llff
from nsg_cluster.data.photographs.nerfpp import load_nerfpp
from nsg_cluster.data.photographs.nsvf import load_nsvf
from nsg_cluster.data.photographs.rtmv import load_rtmv
from nsg_cluster.data.photographs.transforms import load_transforms
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import image_rays
from tests.data import layouts

Write = Callable[[Scene, Path], None]
Load = Callable[[str], Scene]


def _nsvf(root: str) -> Scene:
    return load_nsvf(NsvfData(kind="nsvf", root=root, enlarge=1))


def _nerfpp(root: str) -> Scene:
    return load_nerfpp(NerfppData(kind="nerfpp", root=root))


def _rtmv(root: str) -> Scene:
    return load_rtmv(RtmvData(kind="rtmv", root=root, train_images=6))


def _transforms(root: str) -> Scene:
    return load_transforms(TransformsData(kind="transforms", root=root, hold_out_every=2))


def _llff(root: str) -> Scene:
    return load_llff(LlffData(kind="llff", root=root, hold_out_every=2))


SPLIT: dict[str, tuple[Write, Load]] = {
    "nsvf": (layouts.write_nsvf, _nsvf),
    "nerfpp": (layouts.write_nerfpp, _nerfpp),
    "rtmv": (layouts.write_rtmv, _rtmv),
}
UNSPLIT: dict[str, tuple[Write, Load]] = {
    "transforms": (layouts.write_transforms, _transforms),
    "llff": (layouts.write_llff, _llff),
}
EVERY = {**SPLIT, **UNSPLIT}


def refused(load: Load, root: Path, *words: str) -> None:
    """Check that a folder is refused by one sentence with these words in it."""
    with pytest.raises(DataError) as caught:
        load(str(root))
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("kind", SPLIT)
def test_formats_with_splits_give_back_the_scene_that_was_written(tmp_path: Path, kind: str) -> None:
    write, load = SPLIT[kind]
    scene = layouts.toybox()
    write(scene, tmp_path)
    read = load(str(tmp_path))
    for before, after in ((scene.train, read.train), (scene.test, read.test)):
        layouts.same_up_to_a_frame(after.cameras, before.cameras)
        assert torch.equal(after.images, before.images)


@pytest.mark.parametrize("kind", UNSPLIT)
def test_formats_without_splits_hold_out_every_so_many(tmp_path: Path, kind: str) -> None:
    write, load = UNSPLIT[kind]
    scene = layouts.toybox()
    write(scene, tmp_path)
    read = load(str(tmp_path))
    kept, held_out = layouts.of_all(scene)
    layouts.same_up_to_a_frame(read.train.cameras, kept)
    layouts.same_up_to_a_frame(read.test.cameras, held_out)
    assert torch.equal(read.test.images, scene.train.images[::2])


def test_the_box_of_nsvf_and_of_rtmv_becomes_the_cube(tmp_path: Path) -> None:
    scene = layouts.toybox()
    half = 0.5 * float((scene.box[1] - scene.box[0]).max())
    layouts.write_nsvf(scene, tmp_path)
    read = load_nsvf(NsvfData(kind="nsvf", root=str(tmp_path), enlarge=1.25, bound=2.0))
    assert read.box.tolist() == [[-2.0] * 3, [2.0] * 3]
    moved = (scene.train.cameras.camera_to_world[:, :, 3] - scene.box.mean(0)) * 2.0 / (1.25 * half)
    torch.testing.assert_close(read.train.cameras.camera_to_world[:, :, 3], moved, rtol=1e-5, atol=1e-6)


def test_the_frame_that_cameras_suggest_has_what_they_look_at_in_the_middle(tmp_path: Path) -> None:
    scene = layouts.toybox()
    layouts.write_transforms(scene, tmp_path)
    read = load_transforms(TransformsData(kind="transforms", root=str(tmp_path)))
    middles = [
        image_rays(view.cameras.resized(width=1, height=1), index)
        for view in (read.train, read.test)
        for index in range(len(view))
    ]
    for ray in middles:
        miss = torch.linalg.cross(ray.origins, ray.directions).norm()
        assert float(miss) < 1e-3


def test_the_frame_of_instant_ngp_scales_positions_and_takes_the_box_of_the_file(tmp_path: Path) -> None:
    layouts.write_transforms(layouts.toybox(), tmp_path)
    config = {"kind": "transforms", "root": str(tmp_path), "hold_out_every": 2}
    plain = load_transforms(TransformsData.model_validate({**config, "normalize": "none"}))
    scaled = load_transforms(TransformsData.model_validate({**config, "instant_ngp_frame": True}))
    assert scaled.box.tolist() == [[-2.0] * 3, [2.0] * 3]
    positions = [scene.train.cameras.camera_to_world[:, :, 3] for scene in (plain, scaled)]
    torch.testing.assert_close(positions[1], 0.33 * positions[0])


def test_images_scaled_since_keep_their_field_of_view(tmp_path: Path) -> None:
    scene = layouts.toybox()
    layouts.write_llff(scene, tmp_path)
    rows = np.load(tmp_path / "poses_bounds.npy")
    rows[:, [4, 9, 14]] *= 8  # height, width and focal length of images eight times the size
    np.save(tmp_path / "poses_bounds.npy", rows)
    read = load_llff(LlffData(kind="llff", root=str(tmp_path), hold_out_every=2))
    torch.testing.assert_close(read.train.cameras.focal_px, scene.train.cameras.focal_px[:3])


def test_missing_images_are_left_out_and_counted(tmp_path: Path) -> None:
    layouts.write_transforms(layouts.toybox(), tmp_path)
    (tmp_path / "images" / "0003.png").unlink()
    read = _transforms(str(tmp_path))
    assert len(read.train) + len(read.test) == 5
    assert read.notes == ("1 of 6 listed images are missing, the first is 0003.png; using 5",)
    shutil.rmtree(tmp_path / "images")
    refused(_transforms, tmp_path, "none of its 6 images exists", "0000.png")


def test_intrinsics_and_lenses_of_single_frames_win_over_those_of_the_file(tmp_path: Path) -> None:
    layouts.write_transforms(layouts.toybox(), tmp_path)
    file = tmp_path / "transforms.json"
    document = json.loads(file.read_text())
    document |= {"camera_model": "OPENCV_FISHEYE", "k1": 0.1}
    document["frames"][1] |= {"fl_x": 10.0, "fl_y": 11.0, "cx": 7.0, "cy": 6.0, "k1": -0.2}
    file.write_text(json.dumps(document))
    cameras = _transforms(str(tmp_path)).train.cameras
    assert cameras.lens == "fisheye"
    assert cameras.focal_px[0].tolist() == [10.0, 11.0]
    assert cameras.center_px.tolist() == [[7.0, 6.0], [8.0, 8.0], [8.0, 8.0]]
    assert cameras.distortion is not None
    torch.testing.assert_close(cameras.distortion[:, 0], torch.tensor([-0.2, 0.1, 0.1]))


@pytest.mark.parametrize("kind", EVERY)
def test_an_absent_or_empty_folder_is_refused(tmp_path: Path, kind: str) -> None:
    _, load = EVERY[kind]
    refused(load, tmp_path / "absent", "there is no")
    refused(load, tmp_path)


@pytest.mark.parametrize("kind", EVERY)
def test_an_image_that_is_cut_short_and_images_of_unequal_size_are_refused(tmp_path: Path, kind: str) -> None:
    write, load = EVERY[kind]
    scene = layouts.toybox()
    write(scene, tmp_path)
    image = sorted(path for path in tmp_path.rglob("*.png") if "1_val" not in path.name)[1]
    image.write_bytes(image.read_bytes()[:-60])
    refused(load, tmp_path, image.name)
    layouts.pictures(image.parent, type(scene.train)(**_cropped(scene)), [image.stem])
    refused(load, tmp_path, image.name)


def _cropped(scene: Scene) -> dict[str, Any]:
    return {"cameras": scene.train.cameras[:1], "images": scene.train.images[:1, :8], "names": ("a",)}


BROKEN: dict[str, tuple[str, Callable[[Path], Any], tuple[str, ...]]] = {
    "box upside down": (
        "nsvf",
        lambda root: (root / "bbox.txt").write_text("1 1 1 -1 -1 -1 0.1"),
        ("bbox.txt", "is not below"),
    ),
    "box cut short": ("nsvf", lambda root: (root / "bbox.txt").write_text("1 1 1"), ("bbox.txt", "6 numbers")),
    "no number": ("nsvf", lambda root: (root / "intrinsics.txt").write_text("f"), ("intrinsics.txt", "numbers")),
    "no pose": ("nsvf", lambda root: shutil.rmtree(root / "pose"), ("pose", "no such file")),
    "pose not rigid": (
        "nerfpp",
        lambda root: (root / "train/pose/000001.txt").write_text(" ".join(["2"] * 12 + ["0", "0", "0", "1"])),
        ("000001.txt", "not rigid"),
    ),
    "pose not finite": (
        "nerfpp",
        lambda root: (root / "train/pose/000001.txt").write_text("nan 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"),
        ("000001.txt", "not finite"),
    ),
    "bounds reversed": ("llff", lambda root: _edit_rows(root, 15, 9.0), ("bounds of row 0", "near < far")),
    "bounds not finite": ("llff", lambda root: _edit_rows(root, 3, np.nan), ("row 0", "not finite")),
    "one image more": (
        "llff",
        lambda root: shutil.copy(root / "images/image000.png", root / "images/image009.png"),
        ("6 rows", "7 images"),
    ),
    "code for an array": (
        "llff",
        lambda root: np.save(root / "poses_bounds.npy", np.array([print]), allow_pickle=True),
        ("poses_bounds.npy", "cannot be read"),
    ),
    "unknown lens": (
        "transforms",
        lambda root: _edit_json(root, {"camera_model": "OPENCV_FISHEY"}),
        ("camera_model", "Did you mean 'OPENCV_FISHEYE'?"),
    ),
    "no focal length": ("transforms", lambda root: _edit_json(root, {"fl_x": None}), ("fl_x", "camera_angle_x")),
    "focal length a text": ("transforms", lambda root: _edit_json(root, {"fl_x": "9"}), ("fl_x", "'9'")),
    "focal length negative": ("transforms", lambda root: _edit_json(root, {"fl_x": -3}), ("focal length", "0000.png")),
    "nothing held out": ("rtmv", lambda root: _remove(root, "0000[6-8].json"), ("held out",)),
    "no camera": ("rtmv", lambda root: (root / "00001.json").write_text("{}"), ("00001.json", "camera_data")),
}


def _remove(root: Path, pattern: str) -> None:
    for path in root.glob(pattern):
        path.unlink()


def _edit_rows(root: Path, column: int, value: float) -> None:
    rows = np.load(root / "poses_bounds.npy")
    rows[:, column] = value
    np.save(root / "poses_bounds.npy", rows)


def _edit_json(root: Path, changes: dict[str, Any]) -> None:
    file = root / "transforms.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_is_refused_by_its_name(tmp_path: Path, fault: str) -> None:
    kind, spoil, words = BROKEN[fault]
    write, load = EVERY[kind]
    write(layouts.toybox(), tmp_path)
    spoil(tmp_path)
    refused(load, tmp_path, *words)


def test_splits_that_a_file_lists_count(tmp_path: Path) -> None:
    scene = layouts.toybox()
    layouts.write_transforms(scene, tmp_path)
    lists = {"train_filenames": ["images/0001.png", "./images/0004.png"], "val_filenames": ["images/0000.png"]}
    _edit_json(tmp_path, lists)
    read = _transforms(str(tmp_path))
    assert (read.train.names, read.test.names) == (("0001", "0004"), ("0000",))
    assert torch.equal(read.train.images, scene.train.images[[1, 4]])
    _edit_json(tmp_path, {"test_filenames": ["images/0002.png", "images/0003.png"]})
    assert _transforms(str(tmp_path)).test.names == ("0002", "0003"), "the test split wins"
    (tmp_path / "images" / "0002.png").unlink()
    assert _transforms(str(tmp_path)).test.names == ("0003",)
    (tmp_path / "images" / "0003.png").unlink()
    refused(_transforms, tmp_path, "transforms.json", "those held out, exists")


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ({"val_filenames": ["images/0000.png"]}, ("train_filenames must list images",)),
        ({"train_filenames": ["images/0001.png"], "test_filenames": []}, ("val_filenames must list images",)),
        ({"train_filenames": ["images/9.png"], "test_filenames": ["images/0001.png"]}, ("lists 9.png", "no frame has")),
        ({"train_filenames": [3], "test_filenames": ["images/0001.png"]}, ("file_path",)),
    ],
)
def test_splits_that_contradict_the_frames_are_refused(
    tmp_path: Path, lists: dict[str, Any], words: tuple[str, ...]
) -> None:
    layouts.write_transforms(layouts.toybox(), tmp_path)
    _edit_json(tmp_path, lists)
    refused(_transforms, tmp_path, "transforms.json", *words)


def test_the_point_cloud_of_nerfstudio_moves_with_the_poses(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh", reason="missing here: the package trimesh, which reads point clouds")
    layouts.write_transforms(layouts.toybox(), tmp_path)
    points = np.array([[0.0, 0.0, 0.0], [0.5, -0.25, 0.125], [9.0, 0.0, 0.0]])
    (tmp_path / "sparse.ply").write_bytes(trimesh.PointCloud(points).export(file_type="ply"))
    _edit_json(
        tmp_path, {"ply_file_path": "sparse.ply", "applied_transform": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0]]}
    )
    read = load_transforms(TransformsData(kind="transforms", root=str(tmp_path), normalize="none", hold_out_every=2))
    assert read.points is not None
    torch.testing.assert_close(read.points, torch.from_numpy(points).float())
    assert read.notes == ("67% of 3 known points lie in the scene box",)
    framed = load_transforms(TransformsData(kind="transforms", root=str(tmp_path), hold_out_every=2))
    assert framed.points is not None
    for each in (read, framed):
        assert each.points is not None
        to_points = torch.cdist(each.train.cameras.camera_to_world[:, :, 3], each.points)
        ratio = to_points / to_points.sum()
        torch.testing.assert_close(ratio, _ratio_of(read), rtol=1e-4, atol=1e-6)
    (tmp_path / "sparse.ply").write_text("no cloud")
    refused(_transforms, tmp_path, "sparse.ply", "PLY")
    (tmp_path / "sparse.ply").unlink()
    refused(_transforms, tmp_path, "ply_file_path", "no file")


def _ratio_of(scene: Scene) -> torch.Tensor:
    assert scene.points is not None
    distances = torch.cdist(scene.train.cameras.camera_to_world[:, :, 3], scene.points)
    return distances / distances.sum()


def test_an_empty_cloud_is_told(tmp_path: Path) -> None:
    layouts.write_transforms(layouts.toybox(), tmp_path)
    head = "ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    (tmp_path / "sparse.ply").write_text(head)
    _edit_json(tmp_path, {"ply_file_path": "sparse.ply"})
    assert _transforms(str(tmp_path)).notes[0].startswith("no point of the scene is known")


def _mask(root: Path, index: int, size: tuple[int, int] = (16, 16)) -> None:
    """Write a mask whose left half is black."""
    picture = PIL.Image.new("L", size, 255)
    picture.paste(0, (0, 0, size[0] // 2, size[1]))
    (root / "masks").mkdir(exist_ok=True)
    picture.save(root / "masks" / f"{index:04d}.png")


def _masked(root: Path, count: int = 6) -> None:
    layouts.write_transforms(layouts.toybox(), root)
    frames = json.loads((root / "transforms.json").read_text())["frames"]
    for index, frame in enumerate(frames[:count]):
        _mask(root, index)
        frame["mask_path"] = f"masks/{index:04d}.png"
    _edit_json(root, {"frames": frames})


def test_masks_are_read_with_their_images_and_averaged_down(tmp_path: Path) -> None:
    _masked(tmp_path)
    for downsample, side in ((1, 16), (2, 8)):
        read = load_transforms(
            TransformsData(kind="transforms", root=str(tmp_path), hold_out_every=2, downsample=downsample)
        )
        for views in (read.train, read.test):
            assert views.seen is not None and views.seen.shape == (3, side, side)
            assert not bool(views.seen[:, :, : side // 2].any()) and bool(views.seen[:, :, side // 2 :].all())


def test_masks_that_are_missing_or_of_another_shape_or_black_are_refused(tmp_path: Path) -> None:
    _masked(tmp_path)
    _mask(tmp_path, 2, (16, 40))
    refused(_transforms, tmp_path, "0002.png", "the mask is 16x40")
    PIL.Image.new("L", (16, 16)).save(tmp_path / "masks" / "0002.png")
    refused(_transforms, tmp_path, "0002.png", "black everywhere")
    (tmp_path / "masks" / "0002.png").unlink()
    refused(_transforms, tmp_path, "0002.png", "no such mask")
    _masked(tmp_path, 4)
    refused(_transforms, tmp_path, "frame 4 has no mask_path")


def test_the_real_fox_counts_its_missing_images_and_has_a_lens(data_root: Path) -> None:
    scene = load_scene(
        TransformsData(kind="transforms", root=str(data_root / "instant_ngp_fox"), downsample=16, max_train_views=4)
    )
    assert len(scene.train) == 4
    assert len(scene.test) == 7
    assert scene.notes[0].startswith("17 of 67 listed images are missing")
    assert (scene.train.cameras.width, scene.train.cameras.height) == (67, 120)
    assert scene.train.cameras.lens == "opencv"
    assert float(scene.train.cameras.focal_px[0, 0]) == pytest.approx(1375.52 * 67 / 1080)


def test_the_real_fern_faces_forward_and_fits_into_normalized_device_coordinates(data_root: Path) -> None:
    config = {"kind": "llff", "root": str(data_root / "llff_fern"), "images": "images_8", "downsample": 6}
    scene = load_scene(LlffData.model_validate(config))
    assert (len(scene.train), len(scene.test)) == (17, 3)
    assert (scene.train.cameras.width, scene.train.cameras.height) == (84, 63)
    toward = scene.train.cameras.camera_to_world[:, :, 2].mean(0)
    torch.testing.assert_close(toward / toward.norm(), torch.tensor([0.0, 0.0, 1.0]), rtol=0, atol=0.02)
    warped = load_scene(LlffData.model_validate({**config, "space": "ndc", "bound": 1.2}))
    rays = image_rays(warped.train.cameras, 0)
    assert bool((rays.origins.abs() <= 1.4).all())
    torch.testing.assert_close(rays.origins[:, 2], torch.full((84 * 63,), -1.0), rtol=0, atol=1e-4)
    assert warped.box.tolist()[1] == pytest.approx([1.2, 1.2, 1.0])
