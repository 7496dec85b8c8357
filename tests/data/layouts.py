"""The toy box as other data sets would lay it out, moved and scaled as theirs are."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nsg_cluster.config.data import SyntheticData
from nsg_cluster.data.images import encode_png
from nsg_cluster.data.procedural.synthetic import load_synthetic
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.cameras import Cameras, image_rays

SMALL = SyntheticData(image_size=16, train_views=6, test_views=3, supersample=1)


def toybox() -> Scene:
    return load_synthetic(SMALL)


def opencv_poses(cameras: Cameras) -> Tensor:
    """4x4 camera-to-world matrices with OpenCV's axes."""
    rows = cameras.camera_to_world.double() * torch.tensor([1.0, -1.0, -1.0, 1.0])
    last = torch.tensor([[[0.0, 0.0, 0.0, 1.0]]]).double().expand(len(rows), 1, 4)
    return torch.cat([rows, last], dim=1)


def numbers(file: Path, values: Tensor) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(file, values.numpy(), fmt="%.17g")


def pictures(folder: Path, views: Views, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in zip(names, views.images, strict=True):
        (folder / f"{name}.png").write_bytes(encode_png(image.numpy()))


def write_nsvf(scene: Scene, root: Path) -> None:
    low, high = scene.box.double()
    numbers(root / "bbox.txt", torch.cat([low, high, torch.tensor([0.4])]))
    focal = float(scene.train.cameras.focal_px[0, 0])
    (root / "intrinsics.txt").write_text(f"{focal:.9g} 400 400 0.\n0. 0. 0.\n0.\n1.\n800 800\n")
    for prefix, views in (("0_train", scene.train), ("1_val", scene.test), ("2_test", scene.test)):
        names = [f"{prefix}_{index:04d}" for index in range(len(views))]
        pictures(root / "rgb", views, names)
        for name, pose in zip(names, opencv_poses(views.cameras), strict=True):
            numbers(root / "pose" / f"{name}.txt", pose)


def write_nerfpp(scene: Scene, root: Path) -> None:
    for split, views in (("train", scene.train), ("test", scene.test)):
        names = [f"{index:06d}" for index in range(len(views))]
        pictures(root / split / "rgb", views, names)
        for index, (name, pose) in enumerate(zip(names, opencv_poses(views.cameras), strict=True)):
            matrix = torch.eye(4, dtype=torch.float64)
            matrix[0, 0], matrix[1, 1] = views.cameras.focal_px[index].double()
            matrix[:2, 2] = views.cameras.center_px[index]
            numbers(root / split / "pose" / f"{name}.txt", pose.view(1, 16))
            numbers(root / split / "intrinsics" / f"{name}.txt", matrix.view(1, 16))


def write_rtmv(scene: Scene, root: Path) -> None:
    """Training and held-out views one after another."""
    index = 0
    for views in (scene.train, scene.test):
        cameras = views.cameras
        names = [f"{index + offset:05d}" for offset in range(len(views))]
        pictures(root / "images", views, names)
        for place, name in enumerate(names):
            pose = torch.cat([cameras.camera_to_world[place].double(), torch.tensor([[0.0, 0.0, 0.0, 1.0]]).double()])
            focal, center = cameras.focal_px[place].tolist(), cameras.center_px[place].tolist()
            camera = {
                "cam2world": pose.T.tolist(),
                "intrinsics": {"fx": focal[0], "fy": focal[1], "cx": center[0], "cy": center[1]},
                "width": cameras.width,
                "height": cameras.height,
                "scene_min_3d_box": scene.box[0].tolist(),
                "scene_max_3d_box": scene.box[1].tolist(),
                "scene_center_3d_box": scene.box.mean(0).tolist(),
            }
            (root / f"{name}.json").write_text(json.dumps({"camera_data": camera}))
        index += len(views)


def write_transforms(scene: Scene, root: Path) -> None:
    cameras = scene.train.cameras
    names = [f"{index:04d}" for index in range(len(cameras))]
    pictures(root / "images", scene.train, names)
    last = [0.0, 0.0, 0.0, 1.0]
    document = {
        "fl_x": float(cameras.focal_px[0, 0]),
        "w": cameras.width,
        "h": cameras.height,
        "aabb_scale": 4,
        "frames": [
            {"file_path": f"images/{name}.png", "transform_matrix": [*pose, last]}
            for name, pose in zip(names, cameras.camera_to_world.tolist(), strict=True)
        ],
    }
    (root / "transforms.json").write_text(json.dumps(document))


def write_llff(scene: Scene, root: Path, bounds: tuple[float, float] = (2.0, 6.0)) -> None:
    cameras = scene.train.cameras
    pictures(root / "images", scene.train, [f"image{index:03d}" for index in range(len(cameras))])
    right, up, back, position = cameras.camera_to_world.double().unbind(2)
    hwf = torch.tensor([cameras.height, cameras.width, float(cameras.focal_px[0, 0])]).double().expand(len(cameras), 3)
    matrices = torch.stack([-up, right, back, position, hwf], dim=2)
    near_far = torch.tensor([bounds]).double().expand(len(cameras), 2)
    np.save(root / "poses_bounds.npy", torch.cat([matrices.flatten(1), near_far], dim=1).numpy())


def write_colmap(scene: Scene, root: Path, *, points: int = 500) -> int:
    """Write all views as a reconstruction by COLMAP's own library, and return after how many one is held out.

    Held-out views are named so that `hold_out` finds just them; points lie where rays of training views end.
    """
    import pycolmap

    every, rest = divmod(len(scene.train) + len(scene.test), len(scene.test))
    assert rest == 0, "as many training views between two held-out ones everywhere"
    made = pycolmap.Reconstruction()
    kept = iter(range(len(scene.train)))
    for number in range(every * len(scene.test)):
        views, index = (scene.train, next(kept)) if number % every else (scene.test, number // every)
        _register(made, views, index, number, root / "images")
    depth = scene.train.depth
    assert depth is not None
    for number in range(points):
        rays, far = (
            image_rays(scene.train.cameras, number % len(scene.train)),
            depth[number % len(scene.train)].flatten(),
        )
        hit = far.isfinite().nonzero()[:, 0]
        pixel = hit[(7919 * number) % len(hit)]
        place = rays.origins[pixel] + far[pixel] * rays.directions[pixel]
        made.add_point3D(place.double().numpy(), pycolmap.Track(), np.zeros(3, dtype=np.uint8))
    (root / "sparse" / "0").mkdir(parents=True)
    made.write_binary(str(root / "sparse" / "0"))
    return every


def _register(made: Any, views: Views, index: int, number: int, folder: Path) -> None:
    import pycolmap

    cameras, name = views.cameras, f"shot_{number:04d}"
    intrinsics = [*cameras.focal_px[index].tolist(), *cameras.center_px[index].tolist()]
    made.add_camera_with_trivial_rig(
        pycolmap.Camera(
            model="PINHOLE", width=cameras.width, height=cameras.height, params=intrinsics, camera_id=number + 1
        )
    )
    pose = pycolmap.Rigid3d(np.linalg.inv(opencv_poses(cameras)[index].numpy())[:3])
    image = pycolmap.Image(name=f"{name}.png", camera_id=number + 1, image_id=number + 1)
    made.add_image_with_trivial_frame(image, pose)
    one = slice(index, index + 1)
    pictures(folder, Views(cameras=cameras[one], images=views.images[one], names=(name,)), [name])


EXPOSURES_S = (0.125, 0.5, 2.0, 8.0, 32.0)


def developed(images: Tensor, seconds: float) -> Tensor:
    """Return what a camera with a simple curve makes of images as radiance, exposed for so long; alpha stays."""
    exposed = images.clone()
    radiance = images[..., :3].float() / 255
    exposed[..., :3] = (255 * (1 - torch.exp(-radiance * seconds))).round().to(torch.uint8)
    return exposed


def write_hdr(scene: Scene, root: Path, *, columns: int = 18) -> None:
    """Write training views as HDR-NeRF does: five exposures of each, a row for each image."""
    cameras = scene.train.cameras
    write_llff(scene, root)
    rows = np.load(root / "poses_bounds.npy")
    shutil.rmtree(root / "images")
    (root / "poses_bounds.npy").unlink()
    for number, seconds in enumerate(EXPOSURES_S):
        views = replace(scene.train, images=developed(scene.train.images, seconds))
        pictures(root / "input_images", views, [f"{index:03d}_{number}" for index in range(len(cameras))])
    every = np.repeat(rows, len(EXPOSURES_S), axis=0)
    times = np.tile(EXPOSURES_S, len(cameras))[:, None]
    np.save(root / "poses_bounds_exps.npy", np.concatenate([every, times], axis=1)[:, :columns])


def same_up_to_a_frame(read: Cameras, written: Cameras) -> None:
    """Check that two sets of cameras differ by a similarity: angles between all their rays, ratios of distances."""
    assert (read.width, read.height) == (written.width, written.height)
    ours, theirs = (
        torch.cat([image_rays(each, index).directions for index in range(len(each))])[::17] for each in (read, written)
    )
    torch.testing.assert_close(ours @ ours.T, theirs @ theirs.T, rtol=0, atol=2e-5)
    ours, theirs = (torch.pdist(each.camera_to_world[:, :, 3]) for each in (read, written))
    torch.testing.assert_close(ours / ours.sum(), theirs / theirs.sum(), rtol=1e-4, atol=1e-6)
    # A mirrored frame would pass both.
    for each in (read, written):
        assert bool((torch.linalg.det(each.camera_to_world[:, :, :3]) > 0).all())


def of_all(scene: Scene, every: int = 2) -> tuple[Cameras, Cameras]:
    """The training cameras of a scene, as `hold_out` would split them."""
    indices = torch.arange(len(scene.train))
    cameras = replace(scene.train.cameras)
    return cameras[indices[indices % every != 0]], cameras[indices[indices % every == 0]]
