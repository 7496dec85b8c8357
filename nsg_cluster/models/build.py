"""``model.kind`` → model: what the numbers of a configuration mean for a scene."""

from __future__ import annotations

from typing import overload

import torch

from nsg_cluster.config.mip import MipNerf360Config, MipNerfConfig
from nsg_cluster.config.schema import (
    InstantNgpConfig,
    ModelConfig,
    NerfConfig,
    OccupancyConfig,
    ProposalConfig,
    SceneGraphConfig,
)
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.scene import Scene
from nsg_cluster.fields.nerf import NerfField, WorldNerf
from nsg_cluster.fields.radiance import HashRadianceField
from nsg_cluster.fields.tone import ToneCurves
from nsg_cluster.geometry.warps import Contraction
from nsg_cluster.models.base import Model
from nsg_cluster.models.build_graph import build_scene_graph, nerf_field
from nsg_cluster.models.build_mip import build_mipnerf, build_mipnerf360
from nsg_cluster.models.instant_ngp import InstantNgp
from nsg_cluster.models.nerf import Nerf
from nsg_cluster.models.one_field import OneField
from nsg_cluster.models.parts import build_hash_grid, build_occupancy, build_proposals, field_box
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.models.scene_graph import SceneGraph
from nsg_cluster.ops.backends import Backend, check_backend
from nsg_cluster.sampling.base import Sampler
from nsg_cluster.sampling.stratified import StratifiedSampler

__all__ = ["build_model"]


@overload
def build_model(config: InstantNgpConfig, scene: Scene, *, seed: int = 0) -> InstantNgp: ...
@overload
def build_model(config: SceneGraphConfig, scene: Scene, *, seed: int = 0) -> SceneGraph: ...
@overload
def build_model(config: ModelConfig, scene: Scene, *, seed: int = 0) -> Model: ...
def build_model(config: ModelConfig, scene: Scene, *, seed: int = 0) -> Model:
    """Build the model of an experiment, on the CPU, with initial weights that depend on ``seed`` alone.

    Raises:
        ConfigError: The model does not fit the scene.
        MachineError: The backend cannot be used here.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(config, SceneGraphConfig):
            return build_scene_graph(config, scene)
        if isinstance(config, NerfConfig):
            return _nerf(config, scene) if config.sampler is None else _sampled_nerf(config, config.sampler, scene)
        if isinstance(config, MipNerfConfig):
            return build_mipnerf(config, scene)
        if isinstance(config, MipNerf360Config):
            return build_mipnerf360(config, scene)
        return _instant_ngp(config, scene)


def _instant_ngp(config: InstantNgpConfig, scene: Scene) -> InstantNgp:
    check_backend(config.backend)
    if config.tone_curves and scene.train.cameras.stops is None:
        raise ConfigError("model.tone_curves: the data set tells no exposures: see data.exposures, or leave it out")
    box = scene.box.cpu()
    side = float((box[1] - box[0]).max())
    field = HashRadianceField(
        build_hash_grid(config.hash_grid, config.backend),
        field_box(box, bound=config.bound, contraction=config.contraction),
        hidden_width=config.hidden_width,
        density_hidden_layers=config.density_hidden_layers,
        color_hidden_layers=config.color_hidden_layers,
        geometry_features=config.geometry_features,
        direction_degree=config.direction_degree,
        appearance_features=config.appearance,
        unit=side,
        contraction=config.contraction,
        gives_log_radiance=config.tone_curves,
    )
    sampler = _sampler(
        config.sampler, scene, backend=config.backend, bound=config.bound, contraction=config.contraction
    )
    per_image = PerImage(
        len(scene.train),
        unit=side / 2,
        appearance=config.appearance,
        exposure=config.exposure,
        poses=config.poses is not None,
    )
    tone = ToneCurves() if config.tone_curves else None
    return InstantNgp(field, sampler, per_image, near=scene.near, far=scene.far, tone=tone)


def _sampler(
    config: OccupancyConfig | ProposalConfig, scene: Scene, *, backend: Backend, bound: float, contraction: Contraction
) -> Sampler:
    if isinstance(config, OccupancyConfig):
        return build_occupancy(config, scene, bound=bound)
    return build_proposals(config, scene, backend=backend, bound=bound, contraction=contraction)


def _sampled_nerf(config: NerfConfig, sampler: OccupancyConfig | ProposalConfig, scene: Scene) -> OneField:
    box = scene.box.cpu()
    half = float((box[1] - box[0]).max()) / 2
    field = WorldNerf(
        nerf_field(config.field, condition=3 + 6 * config.field.direction_frequencies),
        direction_frequencies=config.field.direction_frequencies,
        center=box.mean(0),
        scale=config.scale or half,
    )
    return OneField(
        field,
        _sampler(sampler, scene, backend="native", bound=1.0, contraction="none"),
        PerImage(len(scene.train), unit=half, appearance=0, exposure=False, poses=config.poses is not None),
        near=scene.near,
        far=scene.far,
    )


def _nerf(config: NerfConfig, scene: Scene) -> Nerf:
    box = scene.box.cpu()
    half = float((box[1] - box[0]).max()) / 2
    moment = 0 if config.time_frequencies is None else 1 + 2 * config.time_frequencies

    def field() -> NerfField:
        return nerf_field(config.field, latent=moment, condition=3 + 6 * config.field.direction_frequencies)

    return Nerf(
        field(),
        field() if config.fine_samples else None,
        StratifiedSampler(config.samples, spacing=config.spacing),
        PerImage(len(scene.train), unit=half, appearance=0, exposure=False, poses=config.poses is not None),
        near=scene.near,
        far=scene.far,
        fine_samples=config.fine_samples,
        center=box.mean(0),
        scale=config.scale or half,
        direction_frequencies=config.field.direction_frequencies,
        time_frequencies=config.time_frequencies,
        num_frames=max(len(scene.frame_numbers), 1),
    )
