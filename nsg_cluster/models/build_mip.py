"""The section ``model`` of mip-NeRF and mip-NeRF 360 → their networks, for a scene."""

from __future__ import annotations

from typing import Any

import torch

from nsg_cluster.config.mip import MipFieldConfig, MipNerf360Config, MipNerfConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.scene import Scene
from nsg_cluster.fields.mip import (
    GaussianEncoding,
    MipColorField,
    MipDensityField,
    MipRadianceField,
    MipReflectingField,
)
from nsg_cluster.geometry.directions import axes, icosahedral_axes
from nsg_cluster.models.mipnerf import MipNerf, MipNerf360
from nsg_cluster.models.parts import check_spacing
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.sampling.proposal import ProposalSampler

__all__ = ["build_mipnerf", "build_mipnerf360"]


def build_mipnerf(config: MipNerfConfig, scene: Scene) -> MipNerf:
    """Build a mip-NeRF; its initial weights come from PyTorch's own generator.

    Raises:
        ConfigError: The model does not fit the scene.
    """
    check_spacing(config.spacing, "model.spacing", scene)
    encoding = _encoding(config.field, scene, center=torch.zeros(3), scale=config.scale, contracts=False)
    return MipNerf(
        _radiance(config.field, encoding),
        _per_image(scene, poses=config.poses is not None),
        near=scene.near,
        far=scene.far,
        samples=config.samples,
        spacing=config.spacing,
        padding=config.padding,
        trains_normals=config.field.normals != "untrained",
    )


def build_mipnerf360(config: MipNerf360Config, scene: Scene) -> MipNerf360:
    """Build a mip-NeRF 360; its initial weights come from PyTorch's own generator.

    Raises:
        ConfigError: The model does not fit the scene.
    """
    check_spacing(config.spacing, "model.spacing", scene)
    box = scene.box.cpu()
    half = float((box[1] - box[0]).max()) / 2
    contracts = config.contraction != "none"
    encoding = _encoding(config.field, scene, center=box.mean(0), scale=half, contracts=contracts)
    proposals = MipDensityField(
        encoding,
        width=config.proposal_width,
        hidden_layers=config.proposal_layers,
        skip_every=config.field.skip_every,
        density_bias=config.field.density_bias,
    )
    sampler = ProposalSampler(
        [proposals] * len(config.rounds),
        None if contracts else box,
        rounds=config.rounds,
        samples=config.samples,
        spacing=config.spacing,
        unit=half,
        anneal_steps=config.anneal_steps,
        anneal_slope=config.anneal_slope,
        padding=config.padding,
        dilate=config.dilate,
    )
    return MipNerf360(
        _radiance(config.field, encoding),
        sampler,
        _per_image(scene, poses=config.poses is not None),
        near=scene.near,
        far=scene.far,
        is_opaque=config.is_opaque,
        trains_normals=config.field.normals != "untrained",
    )


def _encoding(
    config: MipFieldConfig, scene: Scene, *, center: torch.Tensor, scale: float, contracts: bool
) -> GaussianEncoding:
    """Build the encoding.

    Raises:
        ConfigError: The scene's rays have no cones.
    """
    if scene.train.cameras.ndc:
        raise ConfigError("data.space: 'ndc' bends the cones of pixels, which mip-NeRF looks at; set it to 'world'")
    return GaussianEncoding(
        axes() if config.directions == "axes" else icosahedral_axes(),
        config.frequencies,
        center=center,
        scale=scale,
        contracts=contracts,
        shape=config.shape,
    )


def _radiance(config: MipFieldConfig, encoding: GaussianEncoding) -> MipRadianceField:
    common: dict[str, Any] = {
        "width": config.width,
        "hidden_layers": config.hidden_layers,
        "skip_every": config.skip_every,
        "density_bias": config.density_bias,
        "density_noise": config.density_noise,
        "bottleneck": config.bottleneck,
        "color_width": config.color_width,
        "rgb_padding": config.rgb_padding,
        "predicts_normals": config.normals == "predicted",
    }
    if config.reflections is None:
        return MipColorField(encoding, direction_frequencies=config.direction_frequencies, **common)
    return MipReflectingField(
        encoding,
        levels=config.reflections.levels,
        color_layers=config.reflections.color_layers,
        bottleneck_noise=config.reflections.bottleneck_noise,
        is_srgb=config.reflections.srgb,
        **common,
    )


def _per_image(scene: Scene, *, poses: bool) -> PerImage:
    half = float((scene.box[1] - scene.box[0]).max()) / 2
    return PerImage(len(scene.train), unit=half, appearance=0, exposure=False, poses=poses)
