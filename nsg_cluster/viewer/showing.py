"""Pictures of a trained scene from any camera, at any size, given up as soon as they are not wanted any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import Cameras, focal_from_angle
from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.models.base import Model
from nsg_cluster.outputs.pictures import color_picture, depth_picture, normals_picture, shade_of
from nsg_cluster.outputs.stage_graph import stage_graph
from nsg_cluster.render.image import render_image
from nsg_cluster.render.rendering import Rendering
from nsg_cluster.training.checkpoint import load_model, newest_step
from nsg_cluster.training.device import prepare_device

__all__ = ["CHANNELS", "Background", "Channel", "Showing", "Stale", "View"]

Channel = Literal["color", "depth", "normals", "opacity"]
CHANNELS: tuple[Channel, ...] = ("color", "depth", "normals", "opacity")
Background = Literal["white", "black"]
Picture = UInt8[np.ndarray, "height width 3"]
MOST_RAYS_AT_ONCE = 4096
"""A picture that is not wanted any more is given up after so many rays."""


class Stale(Exception):  # noqa: N818 - nothing is wrong
    """A picture is not wanted any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What somebody wants to see."""

    camera_to_world: Float[Tensor, "3 4"]
    """Rotation and position of the camera; its axes are x right, y up, -z forward."""
    fov_rad: float
    """Angle from the lower to the upper edge of the picture."""
    aspect: float
    """Width of the picture over its height."""
    channel: Channel = "color"
    frame: int = 0
    """Index of the moment, in a scene that moves."""
    stops: float = 0.0
    """Exposure, in doublings over the usual one, of a scene that was seen at several."""
    background: Background = "white"
    transmittance_threshold: float = 0.0
    """A ray ends where less than this fraction of its light is left."""


class Showing:
    """The newest checkpoint of a task, ready to be looked at; pictures are made one at a time.

    Args:
        experiment: What the task computes, with ``render.edits`` for a scene graph.
        paths: Of the task.

    Raises:
        NsgError: There is no good checkpoint, or the data cannot be read.
    """

    def __init__(self, experiment: Experiment, paths: TaskPaths) -> None:
        self._experiment, self._paths = experiment, paths
        self._device = prepare_device(experiment.train)
        self.scene: Scene = load_scene(experiment.data, with_images=False)
        self._lock = threading.Lock()
        self.rays_per_s: float | None = None
        """Speed of the last picture."""
        self._load()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What can be shown."""
        return tuple(each for each in CHANNELS if each != "normals" or not self._experiment.why_no_normals())

    @property
    def has_exposures(self) -> bool:
        """Whether the scene was seen at several exposures."""
        return self.scene.train.cameras.stops is not None

    def renewed(self) -> bool:
        """Go on with a newer checkpoint if there is one, and say so."""
        before, newest = self._newest, newest_step(self._paths.checkpoints)
        if newest is None or newest == before:
            return False
        self._load()
        return True

    def picture(self, view: View, height: int, is_stale: Callable[[], bool] = lambda: False) -> Picture:
        """Return what is seen, ``height`` pixels high.

        Raises:
            Stale: It was not wanted any more.
        """
        cameras = self._cameras(view, height).to(self._device)
        shade, experiment = shade_of(view.background), self._experiment
        with self._lock:
            began = time.perf_counter()
            rendering = render_image(
                _GivenUp(self._model, is_stale),
                cameras,
                0,
                background=shade,
                chunk=min(experiment.evaluate.chunk, MOST_RAYS_AT_ONCE),
                transmittance_threshold=view.transmittance_threshold,
                with_normals=view.channel == "normals",
            )
            self.rays_per_s = cameras.width * cameras.height / (time.perf_counter() - began)
        if view.channel == "depth":
            is_median = experiment.evaluate.depth == "median"
            near, far = self.scene.near, self.scene.far
            return depth_picture(rendering, near=near, far=far, background=shade, is_median=is_median)
        if rendering.normals is not None:
            return normals_picture(rendering.normals, rendering.opacity, background=shade)
        color = rendering.opacity[..., None].expand(-1, -1, 3) if view.channel == "opacity" else rendering.color
        return color_picture(color)

    def _load(self) -> None:
        self._newest = newest_step(self._paths.checkpoints)
        model, snapshot = load_model(self._experiment, self._paths, self.scene)
        frames = len(self.scene.frame_numbers)
        if frames:
            poses = self.scene.train.cameras[torch.zeros(frames, dtype=torch.long)]
            stage_graph(model, self.scene, replace(poses, frames=torch.arange(frames)), self._experiment.render.edits)
        model.to(self._device)
        with self._lock:
            self._model, self.step = model, snapshot.step

    def _cameras(self, view: View, height: int) -> Cameras:
        width, like = max(1, round(height * view.aspect)), self.scene.train.cameras
        focal = focal_from_angle(view.fov_rad, height)
        return Cameras(
            camera_to_world=view.camera_to_world[None].float(),
            focal_px=torch.full((1, 2), focal),
            center_px=torch.tensor([[width / 2, height / 2]]),
            width=width,
            height=height,
            ndc=like.ndc,
            stops=torch.tensor([view.stops]) if self.has_exposures else None,
            frames=torch.tensor([view.frame]) if self.scene.frame_numbers else None,
        )


class _GivenUp:
    """A model that is asked no further once its picture is not wanted any more."""

    def __init__(self, model: Model, is_stale: Callable[[], bool]) -> None:
        self._model, self._is_stale = model, is_stale

    def render_rays(
        self,
        rays: Rays,
        *,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
        transmittance_threshold: float = 0.0,
    ) -> Rendering:
        """Render rays over a background.

        Raises:
            Stale: They are not wanted any more.
        """
        if self._is_stale():
            raise Stale
        return self._model.render_rays(
            rays, background=background, generator=generator, transmittance_threshold=transmittance_threshold
        )

    def normals(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return the unit normal of the surface that samples lie on."""
        return self._model.normals(rays, samples)

    def before_step(self, step: int, generator: Generator) -> None:
        """Do what is due before an optimizer step."""
        self._model.before_step(step, generator)

    def figures(self) -> dict[str, float]:
        """Return numbers for the events."""
        return self._model.figures()
