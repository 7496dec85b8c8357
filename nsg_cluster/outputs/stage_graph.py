"""A scene graph made ready for the pictures of a path: its table edited, objects of other runs brought in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from nsg_cluster.config.compose import load
from nsg_cluster.config.edits import EditConfig, InsertConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene
from nsg_cluster.geometry.cameras import Cameras
from nsg_cluster.models.edits import Edited, Newcomer, apply_edits, rows_of_pictures
from nsg_cluster.models.scene_graph import SceneGraph, Shown
from nsg_cluster.render.rendering import RadianceModel
from nsg_cluster.training.checkpoint import load_model

__all__ = ["stage_graph"]


def stage_graph(model: RadianceModel, scene: Scene, cameras: Cameras, edits: tuple[EditConfig, ...]) -> Cameras:
    """Let a scene graph show its edited table, with rows of its own for each picture; return cameras that ask for them.

    Args:
        model: Any model; one that is no scene graph is left alone.
        scene: What the model was built for.
        cameras: Of the pictures, with the frames of the scene.
        edits: What to change.

    Raises:
        ConfigError: There are edits and the model is no scene graph; or an edit does not fit it.
        NsgError: A run that an object comes from cannot be loaded.
    """
    if not isinstance(model, SceneGraph):
        if edits:
            raise ConfigError("render.edits: only a model of kind 'scene_graph' has objects that can be edited")
        return cameras
    frames = torch.zeros(len(cameras), dtype=torch.long) if cameras.frames is None else cameras.frames.cpu()
    observed = model.observed.to("cpu")
    edited = apply_edits(
        edits,
        Edited(
            rows=rows_of_pictures(observed, frames),
            observed=observed,
            tracks=model.tracks[: model.bank_sizes[0]],
            frame_numbers=scene.frame_numbers,
        ),
        _Newcomers(model).bring,
    )
    model.show(Shown(placements=edited.rows, has_background=edited.has_background))
    return replace(cameras, frames=torch.arange(len(cameras), device=cameras.camera_to_world.device))


class _Newcomers:
    """Brings objects of other runs into a graph, each run once."""

    def __init__(self, graph: SceneGraph) -> None:
        self._graph = graph
        self._first: dict[str, tuple[int, SceneGraph]] = {}

    def bring(self, insert: InsertConfig) -> Newcomer:
        """Return the node of an object, and a row that shows how large it is.

        Raises:
            ConfigError: The other run is no scene graph, or has no such track.
            NsgError: It cannot be loaded.
        """
        first, owner = (0, self._graph) if insert.source is None else self._other(insert.source)
        tracks = owner.tracks[: owner.bank_sizes[0]]
        if insert.track not in tracks:
            where = "this run" if insert.source is None else insert.source
            have = ", ".join(map(str, sorted(tracks))) or "none"
            raise ConfigError(f"render.edits: insert: there is no track {insert.track} in {where}; it has: {have}")
        node, observed = tracks.index(insert.track), owner.observed.to("cpu")
        row = int(torch.nonzero(observed.objects == node)[0])
        return Newcomer(object=first + node, row=observed.chosen(torch.tensor([row])))

    def _other(self, folder: str) -> tuple[int, SceneGraph]:
        if folder not in self._first:
            paths = RunPaths(Path(folder)).task(0)
            if not paths.spec.is_file():
                raise ConfigError(f"render.edits: insert: {folder} is not the folder of a run")
            experiment = load(paths.spec, (), variables={})
            other, _ = load_model(experiment, paths, load_scene(experiment.data, with_images=False))
            if not isinstance(other, SceneGraph):
                raise ConfigError(f"render.edits: insert: the run in {folder} is no scene graph and has no objects")
            objects = other.objects.to(next(self._graph.parameters()).device)
            self._first[folder] = (self._graph.adopt(objects, other.classes), other)
        return self._first[folder]
