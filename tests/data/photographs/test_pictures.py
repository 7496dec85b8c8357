"""Pictures of scenes that do not move: what is drawn where."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import PIL.Image
import torch

from nsg_cluster.config.model import InstantNgpConfig
from nsg_cluster.data.photographs.pictures import BOX, DOTS, HEAD, PANEL, TEST, TRAIN, box_in_views, plans
from nsg_cluster.data.photographs.report import inside_of
from nsg_cluster.data.scene import Scene
from tests.data import layouts

NGP = InstantNgpConfig(kind="instant_ngp")


def pixels(png: bytes) -> np.ndarray:
    return np.array(PIL.Image.open(io.BytesIO(png)).convert("RGB"))


def has(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    """Return how many pixels below the legend have a color."""
    return int((picture[HEAD:] == color).all(-1).sum())


def plan(scene: Scene) -> np.ndarray:
    return pixels(plans(scene, inside_of(NGP, scene)))


def test_both_plans_show_cameras_of_both_splits_and_the_box() -> None:
    picture = plan(layouts.toybox())
    for half in (picture[:, :PANEL], picture[:, PANEL:]):
        for color in (TRAIN, TEST, BOX):
            assert has(half, color) > 20


def test_the_box_is_drawn_to_scale() -> None:
    scene = layouts.toybox()
    corner = torch.tensor([2.0, 1.0, 0.5])
    picture = plan(replace(scene, box=torch.stack([-corner, corner])))
    for half, ratio in ((picture[HEAD:, :PANEL], 2.0), (picture[HEAD:, PANEL:], 4.0)):
        rows, columns = np.nonzero((half == BOX).all(-1))
        assert abs(np.ptp(columns) / np.ptp(rows) - ratio) < 0.1


def test_a_camera_far_out_does_not_shrink_the_rest() -> None:
    scene = layouts.toybox()
    poses = scene.train.cameras.camera_to_world.clone()
    poses[0, :, 3] *= 1e4
    far = replace(scene, train=replace(scene.train, cameras=replace(scene.train.cameras, camera_to_world=poses)))
    assert has(plan(far), BOX) > 0.8 * has(plan(scene), BOX)


def test_known_points_are_drawn_in_plans_and_in_views() -> None:
    scene = layouts.toybox()
    assert has(plan(scene), DOTS) < 20  # letters have gray edges
    known = replace(scene, points=torch.rand(300, 3) - 0.5)
    assert has(plan(known), DOTS) > 100
    views = box_in_views(known, 2)
    assert list(views) == [scene.train.names[0], scene.train.names[-1]]
    assert has(pixels(views[scene.train.names[0]]), (255, 230, 0)) > 20
    assert box_in_views(scene, 0) == {}


def test_of_a_scene_in_normalized_device_coordinates_there_are_cameras_alone() -> None:
    scene = layouts.toybox()
    views = [replace(each, cameras=replace(each.cameras, ndc=True)) for each in (scene.train, scene.test)]
    picture = plan(replace(scene, train=views[0], test=views[1]))
    assert has(picture, BOX) == 0
    assert has(picture, TRAIN) > 20
