"""Pictures of a trained scene from any camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nsg_cluster.config.schema import Experiment, RenderConfig
from nsg_cluster.core.errors import CheckpointError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.outputs.pictures import color_picture
from nsg_cluster.render.image import render_image
from nsg_cluster.training.checkpoint import load_model
from nsg_cluster.training.loop import train
from nsg_cluster.viewer.showing import Showing, Stale, View
from tests.models import street
from tests.viewer.conftest import Halfway

Made = tuple[Experiment, TaskPaths, Halfway]


def view_of(showing: Showing, image: int = 0, **changes: object) -> View:
    """Return what a training camera sees."""
    cameras = showing.scene.train.cameras
    angle = 2.0 * float(torch.atan(0.5 * cameras.height / cameras.focal_px[image, 1]))
    pose, aspect = cameras.camera_to_world[image], cameras.width / cameras.height
    return View(camera_to_world=pose, fov_rad=angle, aspect=aspect, **changes)  # type: ignore[arg-type]


def test_from_a_training_camera_the_picture_is_that_of_the_evaluation(halfway: Made) -> None:
    experiment, paths, _ = halfway
    showing = Showing(experiment, paths)
    model, _ = load_model(experiment, paths, showing.scene)
    cameras = showing.scene.train.cameras
    expected = render_image(model, cameras, 2, background=1.0, chunk=4096)
    found = showing.picture(view_of(showing, 2), cameras.height)
    assert np.abs(found.astype(int) - color_picture(expected.color).astype(int)).max() <= 1
    assert showing.rays_per_s and showing.rays_per_s > 0
    opacity = showing.picture(view_of(showing, 2, channel="opacity", background="black"), cameras.height)
    assert np.abs(opacity[..., 0] / 255 - expected.opacity.numpy()).max() < 0.01


def test_every_channel_has_a_picture_of_the_size_that_is_asked_for(halfway: Made) -> None:
    showing = Showing(*halfway[:2])
    assert showing.channels == ("color", "depth", "normals", "opacity")
    pictures = [showing.picture(view_of(showing, channel=channel), 10) for channel in showing.channels]
    assert {picture.shape for picture in pictures} == {(10, 10, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 4


def test_a_picture_is_given_up_when_it_is_not_wanted_any_more(halfway: Made) -> None:
    showing, asked = Showing(*halfway[:2]), list[bool]()

    def is_stale() -> bool:
        asked.append(len(asked) == 2)
        return asked[-1]

    with pytest.raises(Stale):
        showing.picture(view_of(showing), 200, is_stale)
    assert asked == [False, False, True], "it is asked between parts of the picture"


def test_a_drive_is_seen_at_every_moment_and_with_its_edits(tmp_path: Path) -> None:
    data = {"kind": "street", "width": 32, "height": 16, "frames": 6, "cars": 2, "supersample": 1}
    train_ = {"steps": 2, "rays": 64, "samples": None, "device": "cpu"}
    document = {"name": "drive", "data": data, "model": street.FAST, "train": train_}
    experiment = Experiment.model_validate(document)
    assert train(experiment, TaskPaths(tmp_path), stop=StopSignal()).step == 2
    showing = Showing(experiment, TaskPaths(tmp_path))
    assert "normals" not in showing.channels and len(showing.scene.frame_numbers) == 6
    moments = [showing.picture(view_of(showing, 0, frame=frame), 16) for frame in range(6)]
    assert len({moment.tobytes() for moment in moments}) > 1, "cars are elsewhere"
    emptied = experiment.model_copy(update={"render": RenderConfig.model_validate({"edits": [{"only": "objects"}]})})
    shown = Showing(emptied, TaskPaths(tmp_path)).picture(view_of(showing, 0, frame=2), 16)
    assert (shown == 255).all(axis=2).mean() > 0.5, "there is nothing behind the cars"


def test_newer_checkpoints_are_taken_up_once(halfway: Made) -> None:
    experiment, paths, go_on = halfway
    showing = Showing(experiment, paths)
    before = showing.picture(view_of(showing), 20)
    assert showing.step == 30 and not showing.renewed()
    go_on()
    assert showing.renewed() and showing.step == 60 and not showing.renewed()
    assert not np.array_equal(showing.picture(view_of(showing), 20), before)


def test_without_a_checkpoint_there_is_nothing_to_see(halfway: Made) -> None:
    with pytest.raises(CheckpointError, match="holds no usable checkpoint; train first"):
        Showing(halfway[0], TaskPaths(halfway[1].root / "elsewhere"))
