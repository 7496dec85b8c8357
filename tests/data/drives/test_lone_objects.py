"""Objects that are seen alone: where they stand, and that boxes hold what is seen."""

from __future__ import annotations

import torch

from nsg_cluster.config.lone_objects import VehiclesData
from nsg_cluster.data.procedural.vehicle_views import load_vehicles
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.boxes import world_to_box
from nsg_cluster.geometry.cameras import image_rays
from nsg_cluster.ops.boxes import box_hits


def seen(**settings: object) -> Scene:
    small = {"kind": "vehicles", "vehicles": 4, "views": 5, "test_views": 2, "image_size": 24, "supersample": 1}
    return load_vehicles(VehiclesData.model_validate(small | settings))


def test_every_object_has_a_frame_and_views_of_its_own() -> None:
    scene = seen()
    assert scene.tracks is not None and len(scene.tracks) == len(scene.frame_numbers) == 4
    assert not scene.has_background
    frames = scene.train.cameras.frames
    assert frames is not None and torch.bincount(frames).tolist() == [5] * 4
    assert len(set(scene.train.names)) == 20 and len(scene.test) == 8
    assert (scene.tracks.owners == scene.tracks.frames).all()


def test_what_is_seen_of_an_object_is_in_its_box_alone() -> None:
    for ground in (False, True):
        scene = seen(box_scale=1.3, ground=ground)
        assert scene.tracks is not None
        tracks, margin = scene.tracks, 1.0 + 1e-3
        maps = world_to_box(tracks.object_to_world, tracks.placed_sizes * margin)
        for view in range(len(scene.train)):
            assert scene.train.cameras.frames is not None
            rays = image_rays(scene.train.cameras, view)
            frames = scene.train.cameras.frames[view].expand(len(rays))
            *_, offsets = box_hits(rays.origins, rays.directions, frames, maps, tracks.table)
            hit = offsets.diff() > 0
            opaque = scene.train.images[view, ..., 3].flatten() == 255
            # The piece of road has sides, which are below the box.
            assert (opaque & ~hit).float().mean() <= (0.02 if ground else 0.0)
            assert opaque.float().mean() > 0.3 * hit.float().mean()


def test_objects_stand_on_one_ground_and_differ() -> None:
    scene = seen()
    assert scene.tracks is not None
    bottoms = scene.tracks.object_to_world[:, 1, 3] + scene.tracks.sizes[:, 1] / 2
    torch.testing.assert_close(bottoms, torch.zeros(4), atol=1e-5, rtol=0)
    assert len({tuple(size) for size in scene.tracks.sizes.tolist()}) == 4
    other = seen(seed=1)
    assert other.tracks is not None and not torch.equal(other.tracks.sizes, scene.tracks.sizes)


def test_cameras_look_at_the_middle_of_their_object() -> None:
    scene = seen()
    assert scene.tracks is not None and scene.train.cameras.frames is not None
    pose = scene.train.cameras.camera_to_world
    toward = scene.tracks.object_to_world[scene.train.cameras.frames][:, :, 3] - pose[:, :, 3]
    ahead = -pose[:, :, 2]
    torch.testing.assert_close((toward / toward.norm(dim=1, keepdim=True) * ahead).sum(1), torch.ones(20))
    assert (pose[:, 1, 1] < 0).all(), "up in the image is -y in the world"
