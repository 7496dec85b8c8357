"""Render a camera path through a trained scene: videos of color and depth, and frames."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from nsg_cluster.config.schema import Experiment, RenderConfig
from nsg_cluster.core.files import write_atomic
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.images import encode_png
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import Cameras
from nsg_cluster.outputs.camera_paths import path_cameras, sized
from nsg_cluster.outputs.countdown import Countdown
from nsg_cluster.outputs.drive_path import drive_path
from nsg_cluster.outputs.node_pictures import NodeWriter
from nsg_cluster.outputs.pictures import color_picture, depth_picture, normals_picture, shade_of
from nsg_cluster.outputs.stage_graph import stage_graph
from nsg_cluster.outputs.video import GifVideo, Mp4Video, Video, check_ffmpeg
from nsg_cluster.render.image import ImageRendering, render_image
from nsg_cluster.training.checkpoint import load_model
from nsg_cluster.training.device import prepare_device

__all__ = ["render"]

Picture = UInt8[np.ndarray, "height width 3"]
VIDEOS: dict[str, type[Video]] = {"mp4": Mp4Video, "gif": GifVideo}


def render(experiment: Experiment, paths: TaskPaths, *, stop: StopSignal | None = None) -> list[Path] | None:
    """Render the camera path of an experiment with the newest checkpoint of a task.

    Args:
        experiment: What the task computes.
        paths: Where the checkpoints are and the results go.
        stop: Looked at before each frame.

    Returns:
        The files that were written, or None if it was stopped before its end, which leaves no video.

    Raises:
        CheckpointError: There is no good checkpoint, or it belongs to another experiment.
        DataError: The data cannot be read.
        MachineError: The device or ffmpeg is missing.
        RunError: The results cannot be written.
    """
    config = experiment.render
    if "mp4" in config.formats:
        check_ffmpeg()
    device = prepare_device(experiment.train)
    scene = load_scene(experiment.data, with_images=False)
    model, _ = load_model(experiment, paths, scene)
    kind = config.path or ("drive" if scene.frame_numbers else "orbit")
    cameras, names = _cameras_and_names(scene, config, kind)
    cameras = stage_graph(model, scene, cameras, config.edits).to(device)
    model.to(device)
    shade = shade_of(config.background)
    countdown = Countdown(paths, "render", len(cameras), cameras.height * cameras.width)
    folder = paths.renders if config.out is None else Path(config.out)
    with ExitStack() as stack:
        tracks = [_Track(folder, stem, config, names, stack) for stem in _stems(config, kind)]
        nodes = NodeWriter(folder, kind, model, names) if config.nodes else None
        for index in range(len(cameras)):
            if stop is not None and stop.requested:
                return None
            rendering = render_image(
                model,
                cameras,
                index,
                background=shade,
                chunk=experiment.evaluate.chunk,
                transmittance_threshold=experiment.evaluate.transmittance_threshold,
                with_normals=config.normals,
                with_nodes=nodes is not None,
            )
            for track, picture in zip(tracks, _pictures(experiment, scene, rendering), strict=True):
                track.add(picture)
            if nodes is not None:
                nodes.add(rendering)
            countdown.done(index + 1)
        written = [path for track in tracks for path in track.finish()]
        return written if nodes is None else written + nodes.written


def _cameras_and_names(scene: Scene, config: RenderConfig, kind: str) -> tuple[Cameras, tuple[str, ...] | None]:
    """Return the cameras of a path, and what their pictures are called where they are not just numbered."""
    if kind != "drive":
        return path_cameras(scene, config), None
    path = drive_path(scene, config)
    names = scene.camera_names or ("left",)
    stems = [f"{names[camera]}_{number:06d}" for camera, number in zip(path.camera_ids, path.numbers, strict=True)]
    if config.repeat > 1:
        stems = [f"{stem}_{index % config.repeat:04d}" for index, stem in enumerate(stems)]
    return sized(path.cameras, config.size), tuple(stems)


class _Track:
    """The files of one picture after another: videos, and frames in a folder."""

    def __init__(
        self, folder: Path, stem: str, config: RenderConfig, names: Sequence[str] | None, stack: ExitStack
    ) -> None:
        self._frames: list[Path] = []
        self._names = names
        self._folder = folder / stem if "png" in config.formats else None
        (self._folder or folder).mkdir(parents=True, exist_ok=True)
        self._videos = [
            stack.enter_context(VIDEOS[kind](folder / f"{stem}.{kind}", config.fps))
            for kind in dict.fromkeys(config.formats)
            if kind in VIDEOS
        ]

    def add(self, picture: Picture) -> None:
        """Add a picture."""
        for video in self._videos:
            video.add(picture)
        if self._folder is not None:
            number = len(self._frames)
            path = self._folder / f"{self._names[number] if self._names else f'{number:05d}'}.png"
            write_atomic(path, encode_png(picture))
            self._frames.append(path)

    def finish(self) -> list[Path]:
        """Complete the videos, remove frames of a longer path before this one, and return what there is."""
        if self._folder is not None and self._names is None:
            for old in set(self._folder.glob("*.png")) - set(self._frames):
                old.unlink()
        return [video.finish() for video in self._videos] + self._frames


def _stems(config: RenderConfig, kind: str) -> list[str]:
    """Return what the files of each picture of `_pictures` begin with."""
    return [kind, *([f"{kind}_depth"] if config.depth else []), *([f"{kind}_normals"] if config.normals else [])]


def _pictures(experiment: Experiment, scene: Scene, rendering: ImageRendering) -> list[Picture]:
    """Return the pictures of a frame that are asked for."""
    config, is_median = experiment.render, experiment.evaluate.depth == "median"
    shade = shade_of(config.background)
    found = [color_picture(rendering.color)]
    if config.depth:
        found.append(depth_picture(rendering, near=scene.near, far=scene.far, background=shade, is_median=is_median))
    if rendering.normals is not None:
        found.append(normals_picture(rendering.normals, rendering.opacity, background=shade))
    return found
