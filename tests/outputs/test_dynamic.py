"""Which pixels show what moves."""

from __future__ import annotations

from dataclasses import replace

import torch

from nsg_cluster.outputs.dynamic import moving_pixels
from tests.models import street


def test_a_pixel_whose_ray_meets_a_box_of_its_frame_shows_what_moves() -> None:
    scene = street.scene()
    first, second = (moving_pixels(scene, scene.train, index) for index in (0, 1))
    assert first is not None and second is not None
    assert 0 < int(first.sum()) < int(second.sum()) < 64
    # Track 3 stands to the right and is in the second frame alone.
    assert not first[:, 6:].any() and second[:, 6:].any()


def test_margins_of_boxes_are_not_what_moves() -> None:
    scene = street.scene()
    assert scene.tracks is not None
    wide = replace(scene, tracks=replace(scene.tracks, margins=torch.full((2, 3), 1.9)))
    narrow, same = moving_pixels(scene, scene.train, 1), moving_pixels(wide, wide.train, 1)
    assert narrow is not None and same is not None and torch.equal(narrow, same)


def test_what_is_known_of_each_pixel_decides() -> None:
    scene = street.scene()
    instances = torch.full((2, 8, 8), -1, dtype=torch.int16)
    instances[1, 2, 3] = 0
    found = moving_pixels(scene, replace(scene.train, instances=instances), 1)
    assert found is not None and found.nonzero().tolist() == [[2, 3]]


def test_of_a_box_those_pixels_count_that_show_a_class_of_objects() -> None:
    scene = street.scene()
    boxes = moving_pixels(scene, scene.train, 1)
    classes = torch.zeros(2, 8, 8, dtype=torch.int16)
    classes[:, :, 4:] = 1
    found = moving_pixels(scene, replace(scene.train, classes=classes, class_names=("Road", "Car")), 1)
    assert boxes is not None and found is not None and boxes[:, :4].any()
    assert torch.equal(found[:, 4:], boxes[:, 4:]) and not found[:, :4].any()
    unknown = moving_pixels(scene, replace(scene.train, classes=classes, class_names=("Road", "Lorry")), 1)
    assert unknown is not None and torch.equal(unknown, boxes), "where no class is one of objects, boxes decide"


def test_a_scene_without_tracks_has_no_such_pixels() -> None:
    scene = street.scene()
    assert moving_pixels(replace(scene, tracks=None), scene.train, 0) is None
