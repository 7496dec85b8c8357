"""The section ``model``: fields, and how rays through them are sampled.

Lengths are in scene units unless the text says otherwise.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsg_cluster.config.base import Config, Fraction, NonNegative, PositiveInt

__all__ = [
    "HashGridConfig",
    "InstantNgpConfig",
    "OccupancyConfig",
    "PosesConfig",
    "ProposalConfig",
    "ProposalGridConfig",
    "SamplerConfig",
]


class HashGridConfig(Config):
    """Multiresolution hash grid (Instant-NGP, section 3)."""

    levels: Annotated[int, Field(ge=1, le=32)] = 16
    """Number of resolutions (L in the paper)."""
    features: Literal[1, 2, 4, 8] = 2
    """Features stored at each grid point (F in the paper)."""
    log2_table_size: Annotated[int, Field(ge=4, le=24)] = 19
    """Base-2 logarithm of the largest number of entries of a level (T in the paper)."""
    base_resolution: Annotated[int, Field(ge=2, le=512)] = 16
    """Cells along a side of the coarsest level (N_min in the paper)."""
    max_resolution: Annotated[int, Field(ge=2, le=65536)] = 1024
    """Cells along a side of the finest level (N_max in the paper)."""

    @model_validator(mode="after")
    def _coarse_before_fine(self) -> HashGridConfig:
        if self.max_resolution < self.base_resolution:
            raise ValueError(
                f"max_resolution ({self.max_resolution}) must be at least base_resolution ({self.base_resolution})"
            )
        return self


class ProposalGridConfig(HashGridConfig):
    """Hash grid of the last proposal round; each round before it has half the ``max_resolution``."""

    levels: Annotated[int, Field(ge=1, le=32)] = 5
    """Number of resolutions."""
    log2_table_size: Annotated[int, Field(ge=4, le=24)] = 17
    """Base-2 logarithm of the largest number of entries of a level."""
    max_resolution: Annotated[int, Field(ge=2, le=65536)] = 256
    """Cells along a side of the finest level."""


class OccupancyConfig(Config):
    """Steps through the occupied cells of a grid (Instant-NGP, appendix C): quick, for scenes with much empty space."""

    kind: Literal["occupancy"] = "occupancy"
    resolution: Literal[16, 32, 64, 128, 256] = 128
    """Cells along a side of each cascade."""
    update_every: PositiveInt = 16
    """Steps of training between updates of the grid."""
    warmup_steps: Annotated[int, Field(ge=0)] = 256
    """Steps of training during which every cell is visited at each update."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Factor applied to a cell's density at each update."""
    threshold: NonNegative = 0.01
    """Opacity of one marching step above which a cell counts as occupied."""
    skip_unseen: bool = False
    """Leave out the cells that no training camera sees, and those closer to one than a hundredth of the scene box."""
    steps_per_diagonal: Annotated[int, Field(ge=16, le=8192)] = 1024
    """Marching steps along the diagonal of the scene box."""
    cone_angle: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    """Length of a step over its distance, where that is longer; 0 for equal steps, 1/256 is usual with surroundings."""


class ProposalConfig(Config):
    """Rounds of resampling by small density fields (mip-NeRF 360, section 3): for scenes that fill space."""

    kind: Literal["proposal"]
    rounds: tuple[PositiveInt, ...] = (256, 96)
    """Samples on each ray in each round of proposals; each round has a density field of its own."""
    samples: PositiveInt = 48
    """Samples on each ray at which the radiance field is evaluated."""
    hash_grid: ProposalGridConfig = ProposalGridConfig()
    hidden_width: Annotated[int, Field(ge=8, le=1024)] = 16
    """Neurons in the one hidden layer of each density field."""
    spacing: Literal["linear", "disparity", "piecewise"] = "piecewise"
    """Equal parts of the first round in distance, in its inverse, or in distance up to half the side of the scene box
    and in its inverse from there on."""
    anneal_steps: Annotated[int, Field(ge=0)] = 1000
    """Steps of training over which proposals come to be believed (eq. 18); 0 to believe them at once."""
    anneal_slope: Annotated[float, Field(ge=1)] = 10.0
    """How quickly at first: 1 for evenly."""
    padding: Fraction = 0.01
    """Added to each weight before resampling, so that no part of a ray is given up."""
    dilate: bool = False
    """Widen proposals before resampling, as mip-NeRF 360 does against gaps and flicker."""

    @model_validator(mode="after")
    def _coarse_rounds(self) -> ProposalConfig:
        coarsest = self.hash_grid.max_resolution >> max(0, len(self.rounds) - 1)
        if not self.rounds:
            raise ValueError("rounds must name the samples of at least one round")
        if coarsest < self.hash_grid.base_resolution:
            raise ValueError(
                f"hash_grid.max_resolution ({self.hash_grid.max_resolution}) is halved for each of {len(self.rounds)} "
                f"rounds but the last and falls below base_resolution ({self.hash_grid.base_resolution})"
            )
        return self


SamplerConfig = Annotated[OccupancyConfig | ProposalConfig, Field(discriminator="kind")]


class PosesConfig(Config):
    """Refinement of the training cameras: a rotation and a shift for each image; held-out cameras are as they are."""

    rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Learning rate of rotations (in radians) and shifts (in half sides of the scene box) at the first step; it rises
    over ``train.schedule.warmup_steps`` like the others."""
    final_rate: Annotated[float, Field(gt=0, le=1)] = 1e-4
    """Learning rate at the end of the decay."""
    decay_steps: PositiveInt | None = None
    """Steps over which the rate changes, after which it stays; the whole training by default."""


class InstantNgpConfig(Config):
    """Instant-NGP: hash grid and two small networks; the sampler says where to evaluate them."""

    kind: Literal["instant_ngp"]
    backend: Literal["native", "torch", "tinycudann"] = "native"
    """What computes hash grids and networks: our kernels, plain PyTorch, or tiny-cuda-nn, which takes a GPU and, where
    it prefers that, float16. Parameters are the same."""
    sampler: SamplerConfig = OccupancyConfig()
    bound: Annotated[float, Field(ge=1, le=128)] = 1.0
    """Half side of the space that is modeled, in multiples of that of the scene box: 1 for what is inside, 16 with the
    surroundings. The occupancy grid gets as many cascades as that takes."""
    contraction: Literal["none", "l2", "linf"] = "none"
    """Let the hash grid hold all of space, contracted around the scene box (mip-NeRF 360, eq. 10), by this norm."""
    hash_grid: HashGridConfig = HashGridConfig()
    hidden_width: Annotated[int, Field(ge=8, le=1024)] = 64
    """Neurons in each hidden layer."""
    density_hidden_layers: Annotated[int, Field(ge=1, le=8)] = 1
    """Hidden layers of the density network."""
    color_hidden_layers: Annotated[int, Field(ge=1, le=8)] = 2
    """Hidden layers of the color network."""
    geometry_features: Annotated[int, Field(ge=1, le=256)] = 15
    """Features that the density network hands to the color network."""
    direction_degree: Annotated[int, Field(ge=1, le=8)] = 4
    """Degree of the spherical harmonics of the view direction."""
    appearance: Annotated[int, Field(ge=0, le=256)] = 0
    """Numbers learned for each training image and handed to the color network, for changing light; held-out views are
    rendered with their mean."""
    exposure: bool = False
    """Learn a gain of each color channel for each training image; held-out views are rendered with gain 1, which is the
    mean (in stops) of the training images."""
    tone_curves: bool = False
    """Learn radiance, and a curve of each color channel from radiance times exposure to color (HDR-NeRF); exposures
    come with the data set (``data.exposures``), and camera paths are rendered at the usual one."""
    poses: PosesConfig | None = None
    """Refine the training cameras; not by default."""

    @property
    def cascades(self) -> int:
        """Number of cascades of an occupancy grid."""
        return 1 + math.ceil(math.log2(self.bound))

    @model_validator(mode="after")
    def _bound_has_an_effect(self) -> InstantNgpConfig:
        if self.exposure and self.tone_curves:
            raise ValueError("exposure is learned, and tone_curves is told it by the data set; choose one of them")
        if self.bound > 1 and self.contraction != "none" and self.sampler.kind == "proposal":
            raise ValueError(
                f"bound ({self.bound:g}) says nothing where contraction is '{self.contraction}' and sampler.kind is "
                "'proposal': rays end at data.far; leave it out"
            )
        return self
