"""Parts that several models have: hash grids, occupancy grids, proposals, from their sections of the configuration."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from nsg_cluster.config.model import HashGridConfig, OccupancyConfig, ProposalConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.data.scene import Scene
from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.fields.radiance import HashDensityField
from nsg_cluster.geometry.warps import Contraction, Spacing
from nsg_cluster.ops.backends import Backend
from nsg_cluster.ops.encode import HashGridLayout
from nsg_cluster.ops.occupancy import is_invisible
from nsg_cluster.sampling.occupancy import OccupancyGrid, OccupancySampler, num_cascades, scaled_box
from nsg_cluster.sampling.proposal import ProposalSampler

__all__ = ["build_hash_grid", "build_occupancy", "build_proposals", "check_spacing", "field_box"]

CLOSEST = 0.01
"""Distance from a camera, in sides of the scene box, at which nothing can stand."""


def build_hash_grid(config: HashGridConfig, backend: Backend, *, max_resolution: int | None = None) -> HashGrid:
    """Build a grid; ``max_resolution`` takes the place of the one in the configuration."""
    layout = HashGridLayout(
        levels=config.levels,
        features=config.features,
        log2_table_size=config.log2_table_size,
        base_resolution=config.base_resolution,
        max_resolution=max_resolution or config.max_resolution,
    )
    return HashGrid(layout, backend=backend)


def field_box(box: Float[Tensor, "2 3"], *, bound: float, contraction: Contraction) -> Float[Tensor, "2 3"]:
    """Return the box of the fields: all that is modeled, or that around which space is contracted."""
    return scaled_box(box, bound) if contraction == "none" else box


def build_occupancy(sampler: OccupancyConfig, scene: Scene, *, bound: float) -> OccupancySampler:
    """Build an occupancy grid over the scene box scaled by ``bound``."""
    box = scene.box.cpu()
    grid = OccupancyGrid(
        box,
        resolution=sampler.resolution,
        step=float((box[1] - box[0]).norm()) / sampler.steps_per_diagonal,
        decay=sampler.decay,
        threshold=sampler.threshold,
        cascades=num_cascades(bound),
    )
    if sampler.skip_unseen:
        grid.forget(_unseen(grid, scene))
    return OccupancySampler(
        grid,
        scaled_box(box, bound),
        cone_angle=sampler.cone_angle,
        update_every=sampler.update_every,
        warmup_steps=sampler.warmup_steps,
    )


def build_proposals(
    sampler: ProposalConfig, scene: Scene, *, backend: Backend, bound: float, contraction: Contraction
) -> ProposalSampler:
    """Build the proposal fields, each with a grid twice as fine as that before.

    Raises:
        ConfigError: Inverse distances are asked for on rays that begin at distance 0.
    """
    check_spacing(sampler.spacing, "model.sampler.spacing", scene)
    box = scene.box.cpu()
    side = float((box[1] - box[0]).max())
    rounds = len(sampler.rounds)
    fields = [
        HashDensityField(
            build_hash_grid(
                sampler.hash_grid, backend, max_resolution=sampler.hash_grid.max_resolution >> (rounds - 1 - index)
            ),
            field_box(box, bound=bound, contraction=contraction),
            hidden_width=sampler.hidden_width,
            hidden_layers=1,
            unit=side,
            contraction=contraction,
        )
        for index in range(rounds)
    ]
    return ProposalSampler(
        fields,
        scaled_box(box, bound) if contraction == "none" else None,
        rounds=sampler.rounds,
        samples=sampler.samples,
        spacing=sampler.spacing,
        unit=side / 2,
        anneal_steps=sampler.anneal_steps,
        anneal_slope=sampler.anneal_slope,
        padding=sampler.padding,
        dilate=sampler.dilate,
    )


def check_spacing(spacing: Spacing, key: str, scene: Scene) -> None:
    """Refuse inverse distances on rays that begin at distance 0; ``key`` is where the spacing stands.

    Raises:
        ConfigError: It is so.
    """
    if spacing == "disparity" and scene.near <= 0:
        raise ConfigError(
            f"{key}: 'disparity' divides rays evenly in inverse distance, and data.near is 0: "
            "set data.near to more than 0, or take another"
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
