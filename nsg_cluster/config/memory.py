"""How much memory a training will need, from its configuration alone.

An estimate within a factor of about one and a half, for what is computed in float32; PyTorch itself, a CUDA context and
the libraries come on top of it. Counted are floats of 4 bytes: of each parameter (weight, gradient, two moments of
Adam, running mean), and of each sample (what the backward pass needs, and its largest gradients).
"""

from __future__ import annotations

from dataclasses import dataclass

from nsg_cluster.config.memory_graph import floats_of_a_ray, hash_parameters, network_parameters
from nsg_cluster.config.memory_mip import mip_floats_of_a_ray, mip_parameters
from nsg_cluster.config.mip import MipNerf360Config, MipNerfConfig
from nsg_cluster.config.schema import (
    Experiment,
    HashGridConfig,
    InstantNgpConfig,
    OccupancyConfig,
    ProposalConfig,
    SyntheticData,
)
from nsg_cluster.core.units import format_bytes

__all__ = ["MemoryEstimate", "estimate_memory", "hash_parameters"]

FLOAT = 4
# Positions, distances, owners, densities, colors, weights, and gradients of some of these.
FLOATS_OF_ANY_SAMPLE = 24
# Share of the marching steps along the diagonal that an average ray makes while every cell counts as occupied.
PASSED = 0.5
CELLS_AT_ONCE = 1 << 18
BYTES_OF_A_CELL = 4.125
BYTES_OF_A_VISIT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """Bytes on the device, at the moment when they are most."""

    weights: int
    """Parameters, their gradients, the state of the optimizer, the running mean."""
    samples: int
    """What a step computes."""
    grid: int
    """The occupancy grid."""
    images: int | None
    """Training and held-out images; None where their sizes are known only once they are read."""

    @property
    def total(self) -> int:
        """Sum of what is known."""
        return self.weights + self.samples + self.grid + (self.images or 0)

    def sentence(self) -> str:
        """Return the estimate in words."""
        parts = {"weights and their optimizer": self.weights, "samples": self.samples, "occupancy grid": self.grid}
        if self.images is not None:
            parts["images"] = self.images
        listed = ", ".join(f"{name} {format_bytes(size)}" for name, size in parts.items() if size)
        missing = "" if self.images is not None else "; images come on top, once their size is known"
        return f"about {format_bytes(self.total)} beside PyTorch itself ({listed}{missing})"


def estimate_memory(experiment: Experiment, *, image_bytes: int | None = None) -> MemoryEstimate:
    """Return what a training needs.

    Args:
        experiment: What is trained.
        image_bytes: Size of all images in memory, where they have been read.
    """
    model, train = experiment.model, experiment.train
    if isinstance(model, InstantNgpConfig):
        weights, (first, later) = FLOAT * _parameters(model), _step_bytes(model, train.rays, train.samples)
        cells = model.cascades * model.sampler.resolution**3 if isinstance(model.sampler, OccupancyConfig) else 0
        visits = min(cells, CELLS_AT_ONCE) * _density_bytes(model) + BYTES_OF_A_VISIT * cells
    elif isinstance(model, MipNerfConfig | MipNerf360Config):
        weights = FLOAT * mip_parameters(model)
        first = later = FLOAT * mip_floats_of_a_ray(model) * train.rays
        cells = visits = 0
    else:
        weights = FLOAT * network_parameters(model)
        first = later = FLOAT * floats_of_a_ray(model) * train.rays
        cells = visits = 0
    kept = (4 + (train.ema_decay is not None) + (train.optimizer.lookahead is not None)) * weights
    # The optimizer has no state yet in the first step, which may have many more samples than the later ones.
    peak = max(kept - 2 * weights + first, kept + max(later, visits))
    return MemoryEstimate(
        weights=kept,
        samples=peak - kept,
        grid=round(BYTES_OF_A_CELL * cells),
        images=_synthetic_bytes(experiment) if image_bytes is None else image_bytes,
    )


def _parameters(model: InstantNgpConfig) -> int:
    """Return the number of parameters; what is learned about images is left out."""
    density = _network(model.hash_grid, model.hidden_width, model.density_hidden_layers, 1 + model.geometry_features)
    color = _layers(_color_inputs(model), model.hidden_width, model.color_hidden_layers, 3)
    return hash_parameters(model.hash_grid) + density + color + sum(_proposals(model))


def _proposals(model: InstantNgpConfig) -> list[int]:
    """Return the parameters of each proposal field."""
    sampler = model.sampler
    if not isinstance(sampler, ProposalConfig):
        return []
    network = _network(sampler.hash_grid, sampler.hidden_width, 1, 1)
    finest = [sampler.hash_grid.max_resolution >> index for index in range(len(sampler.rounds))]
    return [hash_parameters(sampler.hash_grid, resolution) + network for resolution in finest]


def _network(grid: HashGridConfig, width: int, hidden: int, outputs: int) -> int:
    return _layers(grid.levels * grid.features, width, hidden, outputs)


def _layers(inputs: int, width: int, hidden: int, outputs: int) -> int:
    return inputs * width + (hidden - 1) * width**2 + width * outputs


def _color_inputs(model: InstantNgpConfig) -> int:
    return model.direction_degree**2 + model.appearance + model.geometry_features


def _step_bytes(model: InstantNgpConfig, rays: int, samples: int | None) -> tuple[int, int]:
    """Return what the samples of the first step take, and those of a later one."""
    sampler = model.sampler
    if isinstance(sampler, OccupancyConfig):
        first = round(rays * sampler.steps_per_diagonal * PASSED) * _sample_bytes(model)
        return first, first if samples is None else samples * _sample_bytes(model)
    of_a_proposal = FLOAT * (
        FLOATS_OF_ANY_SAMPLE + 2 * sampler.hash_grid.levels * sampler.hash_grid.features + sampler.hidden_width + 3
    )
    of_a_ray = sampler.samples * _sample_bytes(model) + sum(sampler.rounds) * of_a_proposal
    return rays * of_a_ray, (rays if samples is None else samples // sampler.samples) * of_a_ray


def _sample_bytes(model: InstantNgpConfig) -> int:
    """Return what a sample of the radiance field takes until its gradient is known."""
    encoded = 2 * model.hash_grid.levels * model.hash_grid.features
    hidden = model.hidden_width * (model.density_hidden_layers + model.color_hidden_layers)
    passed_on = 3 * (1 + model.geometry_features + _color_inputs(model))
    return FLOAT * (FLOATS_OF_ANY_SAMPLE + encoded + hidden + passed_on)


def _density_bytes(model: InstantNgpConfig) -> int:
    """Return what a point takes at which the density alone is asked for, without a gradient."""
    return FLOAT * (8 + model.hash_grid.levels * model.hash_grid.features + 1 + model.geometry_features)


def _synthetic_bytes(experiment: Experiment) -> int | None:
    """Return the size of images whose number and size the configuration tells."""
    data = experiment.data
    if not isinstance(data, SyntheticData):
        return None
    return (data.train_views + data.test_views) * data.image_size**2 * 4
