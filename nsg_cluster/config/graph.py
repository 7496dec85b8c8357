"""The section ``model`` of NeRF and of scene graphs: networks, nodes, and what is learned about objects.

Lengths are in scene units unless the text says otherwise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsg_cluster.config.base import Config, NonNegative, PositiveFloat, RunReference
from nsg_cluster.config.model import HashGridConfig, OccupancyConfig, PosesConfig, ProposalConfig

__all__ = [
    "BackgroundConfig",
    "HashFieldConfig",
    "NerfConfig",
    "NerfFieldConfig",
    "ObjectHashConfig",
    "ObjectsConfig",
    "PlanesConfig",
    "SceneGraphConfig",
    "StratifiedConfig",
]

Frequencies = Annotated[int, Field(ge=0, le=32)]
Width = Annotated[int, Field(ge=8, le=1024)]


class NerfFieldConfig(Config):
    """NeRF's network: encoded position, a trunk that sees it twice, and a color head that is told the direction."""

    kind: Literal["nerf"] = "nerf"
    width: Width = 256
    """Neurons in each layer of the trunk."""
    hidden_layers: Annotated[int, Field(ge=2, le=32)] = 8
    """Layers of the trunk."""
    skip: Annotated[int, Field(ge=0, le=31)] = 4
    """Layer after which the position is put in once more, counted from 0."""
    color_width: Width = 128
    """Neurons in each layer of the color head."""
    color_layers: Annotated[int, Field(ge=1, le=8)] = 1
    """Layers of the color head before the color: 1 in NeRF, 4 in Neural Scene Graphs."""
    position_frequencies: Frequencies = 10
    """Frequencies of the encoded position; 0 to leave it as it is (multires of the original programs)."""
    direction_frequencies: Frequencies = 4
    """Frequencies of the encoded direction (multires_views)."""
    density_noise: NonNegative = 0.0
    """Standard deviation of what is added to the density in training (raw_noise_std)."""

    @model_validator(mode="after")
    def _skip_inside(self) -> NerfFieldConfig:
        if self.skip > self.hidden_layers - 2:
            raise ValueError(f"skip ({self.skip}) must be at most hidden_layers - 2 ({self.hidden_layers - 2})")
        return self


class HashFieldConfig(Config):
    """Hash grid and two small networks, as in Instant-NGP."""

    kind: Literal["hash"]
    backend: Literal["native", "torch", "tinycudann"] = "native"
    """What computes hash grids and networks."""
    hash_grid: HashGridConfig = HashGridConfig()
    contraction: Literal["none", "l2", "linf"] = "linf"
    """How all of space is contracted around the scene box (mip-NeRF 360, eq. 10), by which norm; ``none`` for what is
    inside alone."""
    hidden_width: Width = 64
    """Neurons in each hidden layer."""
    density_hidden_layers: Annotated[int, Field(ge=1, le=8)] = 1
    """Hidden layers of the density network."""
    color_hidden_layers: Annotated[int, Field(ge=1, le=8)] = 2
    """Hidden layers of the color network."""
    geometry_features: Annotated[int, Field(ge=1, le=256)] = 15
    """Features that the density network hands to the color network."""
    direction_degree: Annotated[int, Field(ge=1, le=8)] = 4
    """Degree of the spherical harmonics of the view direction."""


class PlanesConfig(Config):
    """Samples on parallel planes across the road (Neural Scene Graphs): few, for cameras that all look along it."""

    kind: Literal["planes"] = "planes"
    samples: Annotated[int, Field(ge=2, le=4096)] = 6
    """Planes on each ray (N_samples)."""
    extra: Annotated[int, Field(ge=0)] | None = None
    """Planes behind ``data.far`` for cameras that come nearer; by default enough for the whole way."""


class StratifiedConfig(Config):
    """Samples evenly spread between ``data.near`` and ``data.far``, each at random within its share in training."""

    kind: Literal["stratified"]
    samples: Annotated[int, Field(ge=2, le=4096)] = 64
    """Samples on each ray."""
    spacing: Literal["linear", "disparity"] = "linear"
    """Evenly in distance, or in its inverse (lindisp)."""


class BackgroundConfig(Config):
    """The node of what does not move."""

    field: Annotated[NerfFieldConfig | HashFieldConfig, Field(discriminator="kind")] = NerfFieldConfig(color_layers=4)
    sampler: Annotated[
        PlanesConfig | StratifiedConfig | OccupancyConfig | ProposalConfig, Field(discriminator="kind")
    ] = PlanesConfig()


class ObjectHashConfig(Config):
    """Hash grids that fill the objects' boxes, and two small networks that all of them share."""

    kind: Literal["hash"]
    backend: Literal["native", "torch", "tinycudann"] = "native"
    """What computes hash grids and networks."""
    hash_grid: HashGridConfig = HashGridConfig(levels=6, log2_table_size=14, base_resolution=8, max_resolution=96)
    hidden_width: Width = 32
    """Neurons in each hidden layer."""
    geometry_features: Annotated[int, Field(ge=1, le=256)] = 15
    """Features that the density network hands to the color network."""
    direction_degree: Annotated[int, Field(ge=1, le=8)] = 2
    """Degree of the spherical harmonics of the view direction."""


class ObjectsConfig(Config):
    """The nodes of the objects."""

    field: Annotated[NerfFieldConfig | ObjectHashConfig, Field(discriminator="kind")] = NerfFieldConfig(color_layers=4)
    share: Literal["class", "object", "all"] = "class"
    """One network (with hash grids: one grid) for each class, its objects told apart by latent vectors, or one for each
    object. ``all``: one that shows one object after another, for ``train.reptile``."""
    latent: Annotated[int, Field(ge=0, le=4096)] = 256
    """Numbers of each object's latent vector (latent_size); 0 for none."""
    samples: Annotated[int, Field(ge=1, le=1024)] = 7
    """Samples on a ray inside each box (N_samples_obj)."""
    placing: Literal["points", "intervals"] = "points"
    """Points evenly from entry to exit, both included, as in Neural Scene Graphs; or intervals that fill the box."""
    opaque: bool = False
    """Of the boxes on a ray only the nearest one counts: nothing is seen through one object of another (obj_opaque)."""
    place_frequencies: Frequencies | None = 4
    """Frequencies of the encoded place of the object, which colors are told (multires_obj); ``null`` to leave that out
    (object_setting 1). Only with ``field.kind: nerf``. Edits never change it."""
    poses: PosesConfig | None = None
    """Refine where the objects stand at each frame; not by default."""
    start_from: RunReference | None = None
    """Run with ``train.reptile`` that has learned from where every object begins (use_obj_meta): its id, the beginning
    of one, ``@last``, or its folder. By default they begin at random."""

    @model_validator(mode="after")
    def _fits_together(self) -> ObjectsConfig:
        if self.share == "class" and self.latent == 0:
            raise ValueError("share 'class' needs latent to tell its objects apart; give it, or set share to 'object'")
        return self


class SceneGraphConfig(Config):
    """Neural scene graph: a background, and objects in boxes that stand somewhere else at each frame."""

    kind: Literal["scene_graph"]
    background: BackgroundConfig = BackgroundConfig()
    objects: ObjectsConfig = ObjectsConfig()
    removes_background: bool = False
    """Leave the background empty inside the boxes, so that objects have to explain what is there (MARS)."""
    sky: bool = False
    """Learn a color for each direction, seen where light meets nothing."""
    poses: PosesConfig | None = None
    """Refine the training cameras; not by default."""


class NerfConfig(Config):
    """NeRF: a coarse network tells where a fine one is worth evaluating; or one network, and a sampler that tells."""

    kind: Literal["nerf"]
    field: NerfFieldConfig = NerfFieldConfig()
    sampler: Annotated[OccupancyConfig | ProposalConfig, Field(discriminator="kind")] | None = None
    """In place of a coarse network: a grid of what is occupied, which is many times as fast where much is empty, or
    proposals. ``samples``, ``fine_samples`` and ``spacing`` then say nothing."""
    samples: Annotated[int, Field(ge=2, le=4096)] = 64
    """Samples of the coarse network on each ray (N_samples)."""
    fine_samples: Annotated[int, Field(ge=0, le=4096)] = 128
    """Samples that the fine network has in addition (N_importance); 0 for the coarse network alone."""
    spacing: Literal["linear", "disparity"] = "linear"
    """Coarse samples evenly in distance, or in its inverse (lindisp)."""
    time_frequencies: Frequencies | None = None
    """Frequencies of the encoded time, an input of the networks beside the position (use_time); by default time is no
    input."""
    scale: PositiveFloat | None = None
    """Length that the networks take for 1; half of the longest side of the scene box by default."""
    poses: PosesConfig | None = None
    """Refine the training cameras; not by default."""

    @model_validator(mode="after")
    def _what_samplers_allow(self) -> NerfConfig:
        if self.sampler is None:
            return self
        wrong = []
        if self.time_frequencies is not None:
            wrong.append("sampler: grids and proposals are the same at every time; leave out time_frequencies")
        if self.field.density_noise > 0:
            wrong.append("field.density_noise is of coarse and fine networks; set it to 0 beside a sampler")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self
