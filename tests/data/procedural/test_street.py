"""The procedural street: what it shows is where its boxes are, edits change what they name, files give it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from pydantic import ValidationError

from nsg_cluster.config.driving import KittiData, StreetData, VKitti2Data
from nsg_cluster.data.drives.kitti import KittiFiles, load_kitti
from nsg_cluster.data.drives.vkitti import VKittiFiles, load_vkitti
from nsg_cluster.data.procedural.street import load_street, make_street
from nsg_cluster.data.procedural.street_images import Shot
from nsg_cluster.data.procedural.street_layouts import write_street_as_kitti, write_street_as_vkitti
from nsg_cluster.data.procedural.vehicles import VEHICLES
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.boxes import box_corners, mapped_points
from nsg_cluster.geometry.cameras import image_rays

SPLIT: dict[str, Any] = {"hold_out_every": 3, "min_motion": 0.1}


def config(**changes: Any) -> StreetData:
    return StreetData(kind="street", **({"width": 96, "height": 32, "frames": 3, "supersample": 1} | SPLIT | changes))


@pytest.fixture(scope="module")
def scene() -> Scene:
    return load_street(config())


def test_every_pixel_of_a_vehicle_lies_in_its_box_and_no_other_pixel_does(scene: Scene) -> None:
    views, tracks = scene.train, scene.tracks
    assert tracks is not None
    assert views.instances is not None
    assert views.depth is not None
    assert views.cameras.frames is not None
    shown = set()
    for view in range(len(views)):
        rays, owner = image_rays(views.cameras, view), views.instances[view].flatten()
        hit = rays.origins + views.depth[view].flatten()[:, None].nan_to_num(posinf=1e4) * rays.directions
        for placement in tracks.at(views.cameras.frames[view : view + 1])[0].tolist():
            which = torch.full((len(hit),), placement)
            inside = mapped_points(tracks.world_to_box, hit, which).abs().amax(-1)
            is_own = owner == int(tracks.owners[placement])
            assert bool((inside[is_own] < 1.001).all())
            assert bool((inside[~is_own] > 0.98).all())
            shown |= {int(tracks.owners[placement])} if bool(is_own.any()) else set()
    assert shown == {0, 1, 2, 3}


def test_vehicles_fill_their_boxes_and_differ_in_shape() -> None:
    for vehicle in VEHICLES:
        corners = [
            np.array(part.center)
            + side
            * np.abs(part.rotation)
            @ (getattr(part, "half", None) or (part.radius, part.radius, part.half_height))  # type: ignore[attr-defined]
            for part in vehicle.parts
            for side in (-1.0, 1.0)
        ]
        length, height, width = vehicle.size
        np.testing.assert_allclose(np.min(corners, axis=0), [-length / 2, -width / 2, 0.0], atol=1e-9)
        np.testing.assert_allclose(np.max(corners, axis=0), [length / 2, width / 2, height], atol=1e-9)
    assert len({vehicle.size for vehicle in VEHICLES}) == 6


def test_above_the_horizon_there_is_sky_and_every_pixel_below_has_a_depth() -> None:
    street = make_street(config(supersample=2))
    shot: Shot = street.images.shoot(street.drive, 1)
    assert np.isfinite(shot.distance[20:]).all()
    sky = ~np.isfinite(shot.distance)
    assert 0.02 < sky.mean() < 0.3
    middle_of_sky = shot.image[0, sky[0] & np.roll(sky[0], 1) & np.roll(sky[0], -1)]
    assert (middle_of_sky[:, 2] > middle_of_sky[:, 0]).all()


def test_classes_say_what_each_pixel_shows(scene: Scene) -> None:
    views, names = scene.train, scene.train.class_names
    assert views.classes is not None and views.depth is not None and views.instances is not None
    shown = {name: views.classes == index for index, name in enumerate(names)}
    assert torch.equal(shown["Sky"], views.depth.isinf())
    vehicles = shown["Car"] | shown["Van"] | shown["Truck"]
    assert torch.equal(vehicles, views.instances >= 0)
    assert all(int(shown[name].sum()) > 20 for name in ("Road", "Terrain", "Building", "Tree"))
    # The lowest pixels in the middle show the road before the car.
    height, width = views.classes.shape[1:]
    assert bool(shown["Road"][:, height - 1, width // 2].all())


def test_motion_is_an_option_of_the_cameras_and_of_the_vehicles() -> None:
    moving = make_street(config())
    parked = make_street(config(ego_motion=False, car_motion=False))
    start, end = moving.drive.cameras.camera_to_world[[0, 2], :, 3]
    assert float((end - start).norm()) == pytest.approx(1.2, abs=0.05)
    assert bool((parked.drive.cameras.camera_to_world[0] == parked.drive.cameras.camera_to_world[2]).all())
    assert parked.drive.tracks.ids == ()
    assert "stand still" in parked.drive.notes[0]
    assert make_street(config(ego_motion=False, car_motion=False, min_motion=0.0)).drive.tracks.ids == (1, 2, 3, 4)


def test_an_edit_changes_the_pixels_of_what_it_names_and_the_shadows_near_it(scene: Scene) -> None:
    whole = make_street(config())
    before = whole.images.shoot(whole.drive, 0)
    without = make_street(config(remove=(1,)))
    after = without.images.shoot(without.drive, 0)
    assert 1 in before.tracks
    assert 1 not in after.tracks
    changed = np.abs(before.image.astype(int) - after.image).max(-1) > 0
    assert changed[before.tracks == 1].mean() > 0.98
    assert changed.mean() < 0.35
    moved = make_street(config(move={2: (0.0, 0.0, 1.0)})).drive.tracks
    step = moved.object_to_world[moved.owners == 1] - whole.drive.tracks.object_to_world[whole.drive.tracks.owners == 1]
    torch.testing.assert_close(step[:, :, 3], torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64).expand(3, 3))
    more = make_street(config(insert={1: (-4.0, 0.0, 3.6)}))
    assert more.drive.tracks.ids == (1, 2, 3, 4, 5)
    assert 5 in more.images.shoot(more.drive, 0).tracks
    with pytest.raises(ValidationError, match=r"remove names track 9, and cars \(4\) is all there are"):
        config(remove=(9,))


def test_kitti_files_give_the_street_back(scene: Scene, tmp_path: Path) -> None:
    write_street_as_kitti(config(), KittiFiles(folder=tmp_path / "training", sequence="0003"))
    classes = {"Car": "car", "Van": "van", "Truck": "truck"}
    data = KittiData(kind="kitti", root=str(tmp_path), sequence="0003", far=120, classes=classes, **SPLIT)
    read = load_kitti(data)
    assert_same(read, scene)
    for mine, original in ((read.train, scene.train), (read.test, scene.test)):
        assert torch.equal(mine.images, original.images)
    mask = np.array(PIL.Image.open(tmp_path / "training" / "instances_02" / "0003" / "000000.png")).astype(int)
    assert scene.train.instances is not None
    np.testing.assert_array_equal(np.where(mask > 0, mask - 1001, -1), scene.train.instances[0])
    for mine, original in ((read.train, scene.train), (read.test, scene.test)):
        assert mine.instances is not None and original.instances is not None
        assert torch.equal(mine.instances, original.instances)
        assert mine.depth is not None and original.depth is not None
        near = original.depth < 200
        torch.testing.assert_close(mine.depth[near], original.depth[near], atol=0.004, rtol=0)
        assert bool(mine.depth[original.depth.isinf()].isinf().all())
    bare = load_kitti(data.model_copy(update={"depth": False, "segmentation": False}))
    assert bare.test.depth is None and bare.test.instances is None
    depth = np.array(PIL.Image.open(tmp_path / "training" / "depth_02" / "0003" / "000000.png"))
    assert scene.train.depth is not None
    assert 2.0 * 256 < depth[depth > 0].min() <= float(scene.train.depth[0].min()) * 256 + 1


def test_virtual_kitti_files_give_the_street_back(scene: Scene, tmp_path: Path) -> None:
    write_street_as_vkitti(config(), VKittiFiles(folder=tmp_path / "Scene01" / "clone"))
    read = load_vkitti(VKitti2Data(kind="vkitti2", root=str(tmp_path), scene="01", far=120, **SPLIT))
    assert_same(read, scene)
    assert read.test.depth is not None
    assert scene.test.depth is not None
    assert read.test.instances is not None
    assert scene.test.instances is not None
    assert torch.equal(read.test.instances, scene.test.instances)
    assert read.test.classes is not None and scene.test.classes is not None
    for name in scene.test.class_names:
        shown = read.test.classes == read.test.class_names.index(name)
        assert torch.equal(shown, scene.test.classes == scene.test.class_names.index(name)), name
    near = scene.test.depth < 600
    torch.testing.assert_close(read.test.depth[near], scene.test.depth[near], atol=0.007, rtol=0)
    assert float((read.train.images.float() - scene.train.images.float()).abs().mean()) < 2.0


def assert_same(read: Scene, scene: Scene) -> None:
    """Check cameras and objects to a hundredth of a millimeter."""
    for mine, original in ((read.train, scene.train), (read.test, scene.test)):
        assert mine.names == original.names
        for name in ("camera_to_world", "focal_px", "center_px"):
            torch.testing.assert_close(
                getattr(mine.cameras, name), getattr(original.cameras, name), atol=1e-5, rtol=1e-7
            )
    assert read.tracks is not None
    assert scene.tracks is not None
    assert read.tracks.ids == scene.tracks.ids
    assert read.tracks.table.tolist() == scene.tracks.table.tolist()
    ours = box_corners(read.tracks.object_to_world, read.tracks.sizes[read.tracks.owners])
    theirs = box_corners(scene.tracks.object_to_world, scene.tracks.sizes[scene.tracks.owners])
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)


def test_the_street_made_last_is_kept_and_black_ones_take_no_memory(scene: Scene) -> None:
    assert load_street(config()) is scene
    black = load_street(config(), with_images=False)
    assert black.train.images.untyped_storage().nbytes() == 3
    assert torch.equal(black.train.cameras.camera_to_world, scene.train.cameras.camera_to_world)
