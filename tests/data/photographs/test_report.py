"""What ``data check`` finds in a scene that does not move."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from nsg_cluster.config.parse import parse
from nsg_cluster.config.schema import Experiment, ModelConfig
from nsg_cluster.core.documents import Place, YamlDocument
from nsg_cluster.data.photographs.report import inside_of, report_on_still
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import image_rays
from tests.data import layouts


def model(**settings: Any) -> ModelConfig:
    document = {"name": "m", "data": {"kind": "synthetic"}, "model": settings}
    return parse(Experiment, YamlDocument(document, {(): Place("test")})).model


NGP = model(kind="instant_ngp")


def boxed(scene: Scene, half: float, **changes: Any) -> Scene:
    corner = torch.full((3,), half)
    return replace(scene, box=torch.stack([-corner, corner]), **changes)


def test_splits_cameras_and_the_box_are_counted() -> None:
    scene = layouts.toybox()
    report = report_on_still(NGP, scene)
    assert (report.train.images, report.test.images, report.train.size) == (6, 3, (16, 16))
    assert (report.train.channels, report.train.lens) == ("RGBA", "pinhole")
    least, median, most = report.camera_distance
    assert least <= median <= most
    assert report.cameras_inside == 0
    assert (report.points, report.points_inside, report.remarks) == (0, None, ())
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize("half", [0.05, 0.3])
def test_the_share_of_rays_that_miss_a_small_box_is_that_of_its_silhouette(half: float) -> None:
    scene = boxed(layouts.toybox(), half)
    # A ray meets the cube if some place on it is inside: tried at many.
    cameras = scene.train.cameras
    met = []
    for view in range(len(cameras)):
        rays = image_rays(cameras, view)
        t = torch.linspace(0, 8, 4000)
        met.append(((rays.origins[:, None] + t[:, None] * rays.directions[:, None]).abs() <= half).all(-1).any(-1))
    expected = 1 - float(torch.cat(met).float().mean())
    assert report_on_still(NGP, scene).sight.rays_that_miss == pytest.approx(expected, abs=0.015)


def test_what_is_shown_and_missed_is_worth_a_remark_only_where_it_is_lost() -> None:
    scene = boxed(layouts.toybox(), 0.2)
    lost = report_on_still(NGP, scene)
    assert lost.beyond == "lost"
    assert any("data.bound" in remark for remark in lost.remarks)
    for kept in (model(kind="instant_ngp", contraction="linf", sampler={"kind": "proposal"}), model(kind="nerf")):
        assert not any("data.bound" in remark for remark in report_on_still(kept, scene).remarks)
    grown = report_on_still(model(kind="instant_ngp", bound=16), scene)
    assert not any("data.bound" in remark for remark in grown.remarks)


def test_a_range_that_ends_inside_the_box_is_remarked() -> None:
    scene = boxed(layouts.toybox(), 1.0)
    assert report_on_still(NGP, scene).sight.in_range == pytest.approx(1.0, abs=0.02)
    middle = float(scene.train.cameras.camera_to_world[0, :, 3].norm())
    short = report_on_still(NGP, replace(scene, far=middle))
    assert short.sight.in_range == pytest.approx(0.5, abs=0.1)
    assert any("data.far" in remark for remark in short.remarks)


def test_the_unit_ball_and_the_unit_cube_of_contractions_differ() -> None:
    scene = boxed(layouts.toybox(), 1.0)
    ball = inside_of(model(kind="mipnerf360"), scene)
    cube = inside_of(model(kind="instant_ngp", contraction="linf", sampler={"kind": "proposal"}), scene)
    corner, face = torch.tensor([0.9, 0.9, 0.9]), torch.tensor([0.0, 0.95, 0.0])
    assert (bool(ball.contains(corner)), bool(cube.contains(corner))) == (False, True)
    assert (bool(ball.contains(face)), bool(cube.contains(face))) == (True, True)
    assert bool(inside_of(model(kind="instant_ngp", bound=2), scene).contains(2 * face))


def test_samples_outside_are_those_of_the_models_own_spacing() -> None:
    scene = boxed(layouts.toybox(), 1.0, near=0.1, far=1000.0)
    linear, disparity = (
        report_on_still(model(kind="nerf", spacing=spacing), scene).sight.samples_outside
        for spacing in ("linear", "disparity")
    )
    assert linear is not None and disparity is not None
    assert linear > 0.99
    assert disparity < linear


def test_known_points_outside_and_cameras_far_out_are_remarked() -> None:
    scene = boxed(layouts.toybox(), 1.0)
    points = torch.tensor([[0.0, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 6.0, 0.0], [0.5, 0.5, 0.5]])
    report = report_on_still(NGP, replace(scene, points=points))
    assert (report.points, report.points_inside) == (4, 0.5)
    assert any("50% of the known points are outside" in remark for remark in report.remarks)
    poses = scene.train.cameras.camera_to_world.clone()
    poses[2, :, 3] *= 300
    far = replace(scene, train=replace(scene.train, cameras=replace(scene.train.cameras, camera_to_world=poses)))
    assert report_on_still(NGP, far).remarks[0].startswith(f"camera {scene.train.names[2]} is more than 10 times")
