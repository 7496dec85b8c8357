"""Camera paths rendered to videos and frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import PIL.Image
import pytest
import torch

from nsg_cluster.config.schema import Experiment, RenderConfig, SyntheticData
from nsg_cluster.core.errors import CheckpointError, ConfigError, MachineError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.images import read_image
from nsg_cluster.data.procedural.synthetic import CAMERA_RADIUS, load_synthetic
from nsg_cluster.outputs import export
from nsg_cluster.outputs.camera_paths import path_cameras
from nsg_cluster.outputs.export import render
from tests.render.exact import ExactToybox
from tests.training.tiny import tiny

SCENE = load_synthetic(SyntheticData(image_size=16, train_views=6, test_views=1, supersample=1))


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task has been trained to perfection."""
    monkeypatch.setattr(export, "load_model", lambda *_: (ExactToybox(), None))


def experiment(**changes: Any) -> Experiment:
    return tiny(render={"frames": 4, "fps": 10, **changes})


def test_an_orbit_is_at_the_distance_of_the_training_cameras_with_their_lens() -> None:
    cameras = path_cameras(SCENE, RenderConfig(frames=8, elevation_deg=20.0))
    assert len(cameras) == 8
    assert (cameras.width, cameras.height) == (16, 16)
    torch.testing.assert_close(cameras.focal_px, SCENE.train.cameras.focal_px[:1].expand(8, 2))
    positions = cameras.camera_to_world[:, :, 3]
    torch.testing.assert_close(positions.norm(dim=-1), torch.full((8,), CAMERA_RADIUS))
    torch.testing.assert_close(positions[:, 2], torch.full((8,), CAMERA_RADIUS * np.sin(np.radians(20.0))).float())


@pytest.mark.parametrize(("size", "expected"), [(None, (16, 12)), (32, (32, 24)), (9, (9, 7))])
def test_the_longer_side_decides_the_size_of_the_frames(size: int | None, expected: tuple[int, int]) -> None:
    wide = replace(SCENE.test, cameras=SCENE.test.cameras.resized(width=16, height=12))
    cameras = path_cameras(replace(SCENE, test=wide), RenderConfig(path="test", size=size))
    assert (cameras.width, cameras.height) == expected
    assert torch.equal(cameras.camera_to_world, SCENE.test.cameras.camera_to_world)


@pytest.mark.usefixtures("exact")
def test_an_orbit_is_written_as_videos_and_frames_of_color_and_depth(tmp_path: Path) -> None:
    paths = TaskPaths(tmp_path)
    written = render(experiment(formats=("mp4", "gif", "png")), paths)
    assert written is not None
    found = {path.relative_to(paths.renders).as_posix() for path in paths.renders.rglob("*") if path.is_file()}
    assert found == {path.relative_to(paths.renders).as_posix() for path in written}
    frames = {f"{folder}/{i:05d}.png" for folder in ("orbit", "orbit_depth") for i in range(4)}
    assert found == {"orbit.mp4", "orbit.gif", "orbit_depth.mp4", "orbit_depth.gif"} | frames
    count, seconds = imageio_ffmpeg.count_frames_and_secs(paths.renders / "orbit.mp4")
    assert count == 4
    assert seconds == pytest.approx(0.4, abs=0.06)
    color, depth = (read_image(paths.renders / folder / "00001.png") for folder in ("orbit", "orbit_depth"))
    assert color.shape == depth.shape == (16, 16, 3)
    assert np.array_equal((color == 255).all(axis=-1), (depth == 255).all(axis=-1))
    with PIL.Image.open(paths.renders / "orbit.gif") as gif:
        gif.seek(1)
        assert np.abs(np.array(gif.convert("RGB")).astype(int) - color).mean() < 6


@pytest.mark.usefixtures("exact")
def test_normals_are_a_video_of_their_own_where_they_are_asked_for(tmp_path: Path) -> None:
    paths = TaskPaths(tmp_path)
    written = render(experiment(formats=("png", "gif"), depth=False, normals=True, frames=2), paths)
    assert written is not None
    names = {str(path.relative_to(paths.renders)) for path in written}
    frames = {f"{folder}/{i:05d}.png" for folder in ("orbit", "orbit_normals") for i in range(2)}
    assert names == {"orbit.gif", "orbit_normals.gif"} | frames
    color, normals = (read_image(paths.renders / folder / "00001.png") for folder in ("orbit", "orbit_normals"))
    assert color.shape == normals.shape and not np.array_equal(color, normals)


@pytest.mark.usefixtures("exact")
def test_a_shorter_path_leaves_no_frames_of_a_longer_one_before_it(tmp_path: Path) -> None:
    paths = TaskPaths(tmp_path)
    render(experiment(formats=("png",), depth=False), paths)
    written = render(experiment(formats=("png",), depth=False, frames=2), paths)
    assert sorted(paths.renders.rglob("*.png")) == written
    assert len(written) == 2


@pytest.mark.usefixtures("exact")
def test_the_held_out_cameras_are_a_path_and_show_the_held_out_views(tmp_path: Path) -> None:
    paths = TaskPaths(tmp_path)
    render(experiment(path="test", formats=("png",), background="black", depth=False), paths)
    frame = read_image(paths.renders / "test" / "00000.png")
    image = SCENE.test.images[0].numpy()
    black = (image[..., :3] * (image[..., 3:] > 0)).astype(int)
    assert np.abs(frame.astype(int) - black).max() <= 1


@pytest.mark.usefixtures("exact")
def test_a_stop_leaves_no_half_written_video(tmp_path: Path) -> None:
    paths, stop = TaskPaths(tmp_path), StopSignal()
    stop.request("cancel")
    assert render(experiment(), paths, stop=stop) is None
    assert list(paths.renders.iterdir()) == []


@pytest.mark.usefixtures("exact")
def test_without_ffmpeg_nothing_is_rendered_unless_mp4_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", absent)
    with pytest.raises(MachineError, match="ffmpeg"):
        render(experiment(), TaskPaths(tmp_path))
    assert not TaskPaths(tmp_path).renders.exists()
    assert render(experiment(formats=("gif",), depth=False), TaskPaths(tmp_path)) == [
        tmp_path / "renders" / "orbit.gif"
    ]


def test_without_a_checkpoint_there_is_nothing_to_render(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train first"):
        render(experiment(), TaskPaths(tmp_path))


@pytest.mark.parametrize("path", ["ellipse", "through"])
def test_other_paths_stay_around_the_scene_and_look_at_it(path: str) -> None:
    scene = load_synthetic(SyntheticData(image_size=16, train_views=12, test_views=4, supersample=1))
    cameras = path_cameras(scene, RenderConfig.model_validate({"path": path, "frames": 9}))
    assert len(cameras) == 9
    positions, back = cameras.camera_to_world[:, :, 3], cameras.camera_to_world[:, :, 2]
    assert bool(((positions * back).sum(1) > 0.9 * positions.norm(dim=1)).all())


def test_a_spiral_is_for_views_that_face_forward() -> None:
    poses = torch.eye(3, 4).repeat(6, 1, 1)
    poses[:, :2, 3] = torch.rand(6, 2, generator=torch.Generator().manual_seed(0))
    forward = replace(SCENE, train=replace(SCENE.train, cameras=replace(SCENE.train.cameras, camera_to_world=poses)))
    cameras = path_cameras(forward, RenderConfig(path="spiral", frames=10))
    assert bool((cameras.camera_to_world[:, 2, 2] > 0.7).all())
    around = torch.cat([poses, poses * torch.tensor([-1.0, 1.0, -1.0, 1.0])])
    turned = replace(SCENE.train.cameras[torch.arange(6).repeat(2)], camera_to_world=around)
    with pytest.raises(ConfigError, match=r"render\.path: 'spiral' does not fit this scene: .* all directions"):
        path_cameras(replace(SCENE, train=replace(SCENE.train, cameras=turned)), RenderConfig(path="spiral"))
