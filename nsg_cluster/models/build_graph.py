"""The section ``model`` of a scene graph → its nodes, for a scene with tracks."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nsg_cluster.config.graph import (
    HashFieldConfig,
    NerfFieldConfig,
    ObjectHashConfig,
    ObjectsConfig,
    PlanesConfig,
    SceneGraphConfig,
    StratifiedConfig,
)
from nsg_cluster.config.model import OccupancyConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.scene import Scene
from nsg_cluster.fields.backgrounds import BackgroundField, EmptyBackground, HashBackground, NerfBackground
from nsg_cluster.fields.nerf import NerfField
from nsg_cluster.fields.nodes import HashNodes, NerfNodes, NodesField
from nsg_cluster.fields.radiance import HashRadianceField
from nsg_cluster.geometry.placements import Placements, placements_of
from nsg_cluster.geometry.tracks import ObjectTracks, no_tracks
from nsg_cluster.models.parts import build_hash_grid, build_occupancy, build_proposals
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.models.per_object import PerObject
from nsg_cluster.models.scene_graph import SceneGraph, Shown
from nsg_cluster.models.sky import Sky
from nsg_cluster.ops.backends import check_backend
from nsg_cluster.sampling.base import Sampler
from nsg_cluster.sampling.planes import PlaneSampler, planes_of
from nsg_cluster.sampling.stratified import StratifiedSampler

__all__ = ["build_nodes", "build_scene_graph", "nerf_field", "node_order"]

LARGEST_BOUND = 128.0


def build_scene_graph(config: SceneGraphConfig, scene: Scene) -> SceneGraph:
    """Build a graph; its initial weights come from PyTorch's own generator.

    Raises:
        ConfigError: The model does not fit the scene.
        MachineError: A backend cannot be used here.
    """
    tracks = scene.tracks or no_tracks(max(len(scene.frame_numbers), 1))
    order = node_order(tracks)
    placements = _placed(tracks, order)
    classes = tuple(tracks.class_names[index] for index in tracks.classes[order].tolist())
    ids = tuple(tracks.ids[index] for index in order.tolist())
    if config.objects.share == "all":
        placements, classes, ids = replace(placements, objects=torch.zeros_like(placements.objects)), ("object",), (0,)
    half = float((scene.box[1] - scene.box[0]).max()) / 2
    graph = SceneGraph(
        _background(config, scene) if scene.has_background else EmptyBackground(),
        _sampler(config, scene) if scene.has_background else StratifiedSampler(1),
        build_nodes(config.objects, tracks),
        placements,
        per_image=PerImage(len(scene.train), unit=half, appearance=0, exposure=False, poses=config.poses is not None),
        per_object=PerObject(len(placements), is_refined=config.objects.poses is not None),
        classes=classes,
        tracks=ids,
        near=scene.near,
        far=scene.far,
        samples_per_box=config.objects.samples,
        box_samples=config.objects.placing,
        removes_background=config.removes_background,
        nearest_only=config.objects.opaque,
        sky=Sky() if config.sky and scene.has_background else None,
    )
    graph.show(Shown(placements=placements, has_background=scene.has_background))
    return graph


def node_order(tracks: ObjectTracks) -> Tensor:
    """Return the tracks in the order of their nodes: class by class."""
    return torch.argsort(tracks.classes, stable=True)


def build_nodes(config: ObjectsConfig, tracks: ObjectTracks) -> NodesField:
    """Build the nodes of all tracks, in the order of `node_order`.

    Raises:
        MachineError: The backend cannot be used here.
    """
    order = node_order(tracks)
    network_of = list(range(len(order)))
    if config.share == "class":
        network_of = torch.unique(tracks.classes[order], return_inverse=True)[1].tolist()
    elif config.share == "all":
        network_of = [0]
    networks = max(network_of, default=0) + 1
    if isinstance(config.field, ObjectHashConfig):
        return _hash_nodes(config, config.field, tracks, network_of)
    field = config.field
    condition = 3 + 6 * field.direction_frequencies
    if config.place_frequencies is not None:
        condition += 3 + 6 * config.place_frequencies
    return NerfNodes(
        nerf_field(field, networks=networks, latent=config.latent, condition=condition),
        network_of,
        latent=config.latent,
        direction_frequencies=field.direction_frequencies,
        place_frequencies=config.place_frequencies,
    )


def nerf_field(config: NerfFieldConfig, *, networks: int = 1, latent: int = 0, condition: int) -> NerfField:
    """Build networks of one shape."""
    return NerfField(
        networks=networks,
        width=config.width,
        hidden_layers=config.hidden_layers,
        skip=config.skip,
        color_width=config.color_width,
        color_layers=config.color_layers,
        position_frequencies=config.position_frequencies,
        latent=latent,
        condition=condition,
        density_noise=config.density_noise,
    )


def _hash_nodes(config: ObjectsConfig, field: ObjectHashConfig, tracks: ObjectTracks, grid_of: list[int]) -> HashNodes:
    check_backend(field.backend)
    units = (tracks.sizes * tracks.margins)[node_order(tracks)].amax(dim=1)
    if config.share == "all":
        units = units.mean(dim=0, keepdim=True)
    return HashNodes(
        [build_hash_grid(field.hash_grid, field.backend) for _ in range(max(grid_of, default=0) + 1)],
        grid_of,
        units=units.tolist(),
        hidden_width=field.hidden_width,
        geometry_features=field.geometry_features,
        direction_degree=field.direction_degree,
        latent=config.latent,
    )


def _background(config: SceneGraphConfig, scene: Scene) -> BackgroundField:
    field, box = config.background.field, scene.box.cpu()
    if isinstance(field, NerfFieldConfig):
        # Neural Scene Graphs gives its networks positions in metres, as they are.
        return NerfBackground(
            nerf_field(field, condition=3 + 6 * field.direction_frequencies),
            direction_frequencies=field.direction_frequencies,
            center=torch.zeros(3),
            scale=1.0,
        )
    check_backend(field.backend)
    return HashBackground(
        HashRadianceField(
            build_hash_grid(field.hash_grid, field.backend),
            box,
            hidden_width=field.hidden_width,
            density_hidden_layers=field.density_hidden_layers,
            color_hidden_layers=field.color_hidden_layers,
            geometry_features=field.geometry_features,
            direction_degree=field.direction_degree,
            unit=float((box[1] - box[0]).max()),
            contraction=field.contraction,
        )
    )


def _sampler(config: SceneGraphConfig, scene: Scene) -> Sampler:
    """Build what says where the background is evaluated.

    Raises:
        ConfigError: It does not fit the field.
    """
    sampler, field = config.background.sampler, config.background.field
    if isinstance(sampler, PlanesConfig):
        return _planes(sampler, scene)
    if isinstance(sampler, StratifiedConfig):
        if sampler.spacing == "disparity" and scene.near <= 0:
            raise ConfigError("model.background.sampler.spacing: 'disparity' needs data.near to be more than 0")
        return StratifiedSampler(sampler.samples, spacing=sampler.spacing)
    contraction = field.contraction if isinstance(field, HashFieldConfig) else "linf"
    if isinstance(sampler, OccupancyConfig):
        side = float((scene.box[1] - scene.box[0]).max())
        bound = 1.0 if contraction == "none" else min(max(2.0 * scene.far / side, 1.0), LARGEST_BOUND)
        return build_occupancy(sampler, scene, bound=bound)
    backend = field.backend if isinstance(field, HashFieldConfig) else "native"
    return build_proposals(sampler, scene, backend=backend, bound=1.0, contraction=contraction)


def _planes(sampler: PlanesConfig, scene: Scene) -> PlaneSampler:
    """Lay planes for the way of the first camera, in the order in which its images were taken."""
    poses, ids = scene.train.cameras.camera_to_world, scene.train.camera_ids
    if ids is not None:
        poses = poses[ids == ids[0]]
    return planes_of(poses, near=scene.near, far=scene.far, count=sampler.samples, extra=sampler.extra)


def _placed(tracks: ObjectTracks, order: Tensor) -> Placements:
    """Return the observed placements, whose objects are numbered as the nodes are."""
    rows = placements_of(tracks)
    return replace(rows, objects=torch.argsort(order)[rows.objects])
