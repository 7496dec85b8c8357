"""Parameters and floats of a ray of NeRF and of scene graphs, from their configuration alone.

How many classes and objects a scene has is not in the configuration: networks of objects count once, and a ray is taken
to go through one box.
"""

from __future__ import annotations

import math

from nsg_cluster.config.graph import (
    HashFieldConfig,
    NerfConfig,
    NerfFieldConfig,
    ObjectHashConfig,
    PlanesConfig,
    SceneGraphConfig,
    StratifiedConfig,
)
from nsg_cluster.config.model import HashGridConfig, OccupancyConfig, ProposalConfig

__all__ = ["floats_of_a_ray", "hash_parameters", "network_parameters"]

Field = NerfFieldConfig | HashFieldConfig | ObjectHashConfig
Sampler = PlanesConfig | StratifiedConfig | OccupancyConfig | ProposalConfig

# Positions, distances, owners, densities, colors, weights, and gradients of some of these.
FLOATS_OF_ANY_SAMPLE = 24


def hash_parameters(grid: HashGridConfig, max_resolution: int | None = None) -> int:
    """Return the numbers in the tables of a hash grid: all points of the coarse levels, at most 2^T of the others."""
    growth: float = ((max_resolution or grid.max_resolution) / grid.base_resolution) ** (1 / max(1, grid.levels - 1))
    sides = [math.ceil(grid.base_resolution * growth**level - 1 - 1e-4) + 1 for level in range(grid.levels)]
    entries = sum(min((side**3 + 7) // 8 * 8, 1 << grid.log2_table_size) for side in sides)
    return entries * grid.features


def network_parameters(model: NerfConfig | SceneGraphConfig) -> int:
    """Return the number of parameters of the networks and hash grids."""
    if isinstance(model, NerfConfig):
        if model.sampler is None:
            return (2 if model.fine_samples else 1) * _parameters(model.field)
        return _parameters(model.field) + _of_proposals(model.sampler)
    sampler = model.background.sampler
    return _parameters(model.background.field) + _parameters(model.objects.field) + _of_proposals(sampler)


def floats_of_a_ray(model: NerfConfig | SceneGraphConfig) -> int:
    """Return the floats that a ray takes until its gradient is known."""
    if isinstance(model, NerfConfig):
        two_passes = 2 * model.samples + model.fine_samples
        return (two_passes if model.sampler is None else _samples(model.sampler)) * _floats(model.field)
    background = _samples(model.background.sampler) * _floats(model.background.field)
    return background + model.objects.samples * _floats(model.objects.field)


def _samples(sampler: Sampler) -> int:
    """Return the samples of a ray, those of proposals at half the price."""
    if isinstance(sampler, OccupancyConfig):
        return sampler.steps_per_diagonal // 2
    if isinstance(sampler, ProposalConfig):
        return sampler.samples + sum(sampler.rounds) // 2
    return sampler.samples


def _of_proposals(sampler: Sampler) -> int:
    """Return the parameters of the hash grids of proposals."""
    if not isinstance(sampler, ProposalConfig):
        return 0
    finest = [sampler.hash_grid.max_resolution >> index for index in range(len(sampler.rounds))]
    return sum(hash_parameters(sampler.hash_grid, resolution) for resolution in finest)


def _parameters(field: Field) -> int:
    if isinstance(field, NerfFieldConfig):
        encoded = 3 + 6 * field.position_frequencies
        return (
            (field.hidden_layers + 1) * field.width**2
            + 2 * encoded * field.width
            + field.width * field.color_width
            + (field.color_layers - 1) * field.color_width**2
        )
    encoded = field.hash_grid.levels * field.hash_grid.features
    return hash_parameters(field.hash_grid) + field.hidden_width * (encoded + field.hidden_width)


def _floats(field: Field) -> int:
    """Return the floats of one sample: each layer's output, twice, for its gradient."""
    if isinstance(field, NerfFieldConfig):
        outputs = (field.hidden_layers + 1) * field.width + field.color_layers * field.color_width
        return FLOATS_OF_ANY_SAMPLE + 2 * outputs
    return FLOATS_OF_ANY_SAMPLE + 2 * field.hash_grid.levels * field.hash_grid.features + 4 * field.hidden_width
