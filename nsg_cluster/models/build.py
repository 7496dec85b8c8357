"""``model.kind`` → model: what the numbers of a configuration mean for a scene."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nsg_cluster.config.schema import HashGridConfig, InstantNgpConfig, ModelConfig, OccupancyConfig, ProposalConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.scene import Scene
from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.fields.radiance import HashDensityField, HashRadianceField
from nsg_cluster.models.instant_ngp import InstantNgp
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.ops.backends import Backend, check_backend
from nsg_cluster.ops.encode import HashGridLayout
from nsg_cluster.ops.occupancy import is_invisible
from nsg_cluster.sampling.occupancy import OccupancyGrid, OccupancySampler, scaled_box
from nsg_cluster.sampling.proposal import ProposalSampler

__all__ = ["build_model"]

CLOSEST = 0.01
"""Distance from a camera, in sides of the scene box, at which nothing can stand."""


def build_model(config: ModelConfig, scene: Scene, *, seed: int = 0) -> InstantNgp:
    """Build the model of an experiment, on the CPU, with initial weights that depend on ``seed`` alone.

    Raises:
        ConfigError: The model does not fit the scene.
        MachineError: The backend cannot be used here.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _instant_ngp(config, scene)


def _instant_ngp(config: InstantNgpConfig, scene: Scene) -> InstantNgp:
    check_backend(config.backend)
    box = scene.box.cpu()
    side = float((box[1] - box[0]).max())
    field = HashRadianceField(
        _grid(config.hash_grid, config.hash_grid.max_resolution, config.backend),
        _field_box(config, box),
        hidden_width=config.hidden_width,
        density_hidden_layers=config.density_hidden_layers,
        color_hidden_layers=config.color_hidden_layers,
        geometry_features=config.geometry_features,
        direction_degree=config.direction_degree,
        appearance_features=config.appearance,
        unit=side,
        contraction=config.contraction,
    )
    if isinstance(config.sampler, OccupancyConfig):
        sampler: OccupancySampler | ProposalSampler = _occupancy(config, config.sampler, scene)
    else:
        sampler = _proposals(config, config.sampler, scene)
    per_image = PerImage(
        len(scene.train),
        unit=side / 2,
        appearance=config.appearance,
        exposure=config.exposure,
        poses=config.poses is not None,
    )
    return InstantNgp(field, sampler, per_image, near=scene.near, far=scene.far)


def _grid(config: HashGridConfig, max_resolution: int, backend: Backend) -> HashGrid:
    layout = HashGridLayout(
        levels=config.levels,
        features=config.features,
        log2_table_size=config.log2_table_size,
        base_resolution=config.base_resolution,
        max_resolution=max_resolution,
    )
    return HashGrid(layout, backend=backend)


def _field_box(config: InstantNgpConfig, box: Float[Tensor, "2 3"]) -> Float[Tensor, "2 3"]:
    """Return the box of the fields: all that is modeled, or that around which space is contracted."""
    return scaled_box(box, config.bound) if config.contraction == "none" else box


def _occupancy(config: InstantNgpConfig, sampler: OccupancyConfig, scene: Scene) -> OccupancySampler:
    box = scene.box.cpu()
    grid = OccupancyGrid(
        box,
        resolution=sampler.resolution,
        step=float((box[1] - box[0]).norm()) / sampler.steps_per_diagonal,
        decay=sampler.decay,
        threshold=sampler.threshold,
        cascades=config.cascades,
    )
    if sampler.skip_unseen:
        grid.forget(_unseen(grid, scene))
    return OccupancySampler(
        grid,
        scaled_box(box, config.bound),
        cone_angle=sampler.cone_angle,
        update_every=sampler.update_every,
        warmup_steps=sampler.warmup_steps,
    )


def _unseen(grid: OccupancyGrid, scene: Scene) -> Bool[Tensor, " cells"]:
    """Say which cells have a middle that no training camera sees, or one sees as close as before its lens."""
    cameras = scene.train.cameras.to("cpu")
    return is_invisible(
        grid.centers(),
        cameras.camera_to_world,
        cameras.focal_px,
        cameras.center_px,
        width=cameras.width,
        height=cameras.height,
        near=CLOSEST * float((scene.box[1] - scene.box[0]).max()),
    )


def _proposals(config: InstantNgpConfig, sampler: ProposalConfig, scene: Scene) -> ProposalSampler:
    """Build the proposal fields, each with a grid twice as fine as that before.

    Raises:
        ConfigError: Inverse distances are asked for on rays that begin at distance 0.
    """
    if sampler.spacing == "disparity" and scene.near <= 0:
        raise ConfigError(
            "model.sampler.spacing: 'disparity' divides rays evenly in inverse distance, and data.near is 0: "
            "set data.near to more than 0, or take 'piecewise'"
        )
    box = scene.box.cpu()
    side = float((box[1] - box[0]).max())
    rounds = len(sampler.rounds)
    fields = [
        HashDensityField(
            _grid(sampler.hash_grid, sampler.hash_grid.max_resolution >> (rounds - 1 - index), config.backend),
            _field_box(config, box),
            hidden_width=sampler.hidden_width,
            hidden_layers=1,
            unit=side,
            contraction=config.contraction,
        )
        for index in range(rounds)
    ]
    return ProposalSampler(
        fields,
        scaled_box(box, config.bound) if config.contraction == "none" else None,
        rounds=sampler.rounds,
        samples=sampler.samples,
        spacing=sampler.spacing,
        unit=side / 2,
        anneal_steps=sampler.anneal_steps,
        anneal_slope=sampler.anneal_slope,
        padding=sampler.padding,
        dilate=sampler.dilate,
    )
