"""Which cameras of a drive are rendered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from nsg_cluster.config.render import RenderConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.scene import Scene
from nsg_cluster.outputs.drive_path import drive_path
from tests.models import street


def scene() -> Scene:
    """Two frames by two cameras, the second frame held out."""
    whole = street.scene()
    train = replace(
        whole.train,
        cameras=whole.train.cameras[torch.tensor([0, 0])],
        camera_ids=torch.tensor([0, 1]),
        names=("a", "b"),
    )
    test = replace(train, cameras=whole.train.cameras[torch.tensor([1, 1])])
    return replace(whole, train=train, test=test, camera_names=("left", "right"))


def path(**settings: Any) -> tuple[list[int], tuple[int, ...]]:
    found = drive_path(scene(), RenderConfig.model_validate(settings))
    return found.camera_ids.tolist(), found.numbers


def test_training_and_held_out_frames_follow_each_other_camera_by_camera() -> None:
    assert path() == ([0, 0, 1, 1], (40, 41, 40, 41))
    assert path(frames=41) == ([0, 1], (41, 41))
    assert path(frames="40-41", cameras="right") == ([1, 1], (40, 41))
    assert path(frames=40, cameras="left", repeat=3) == ([0, 0, 0], (40, 40, 40))


def test_cameras_are_moved_in_their_own_axes() -> None:
    plain = drive_path(scene(), RenderConfig()).cameras.camera_to_world[:, :, 3]
    moved = drive_path(scene(), RenderConfig(shift=(1.0, 2.0, 3.0))).cameras.camera_to_world[:, :, 3]
    # The world's x is ahead, y down, z to the left.
    torch.testing.assert_close(moved - plain, torch.tensor([3.0, -2.0, -1.0]).expand(4, 3))


def test_what_the_scene_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"render\.frames: the scene has no frame 42 \(data\.frames gives 40 to 41\)"):
        path(frames="40-42")
    left = replace(scene(), train=street.scene().train, test=street.scene().train)
    with pytest.raises(ConfigError, match=r"no camera 'right' \(data\.cameras gives: left\)"):
        drive_path(left, RenderConfig(cameras="right"))
    still = replace(left.train, cameras=replace(left.train.cameras, frames=None))
    with pytest.raises(ConfigError, match="needs a scene that moves"):
        drive_path(replace(left, train=still, test=still), RenderConfig())
