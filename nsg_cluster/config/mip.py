"""The section ``model`` of mip-NeRF and mip-NeRF 360.

Lengths are in scene units unless the text says otherwise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsg_cluster.config.base import Config, NonNegative, PositiveFloat, PositiveInt
from nsg_cluster.config.model import PosesConfig

__all__ = ["MipFieldConfig", "MipNerf360Config", "MipNerfConfig", "ReflectionsConfig"]

Width = Annotated[int, Field(ge=8, le=4096)]
Depth = Annotated[int, Field(ge=1, le=32)]


class ReflectionsConfig(Config):
    """Colors of shiny surfaces (Ref-NeRF, section 3): a diffuse color, and a tint of the light from where they reflect.

    A network says what light that is, the more blurred the rougher the surface.
    """

    levels: Annotated[int, Field(ge=1, le=5)] = 5
    """Spherical harmonics that encode the reflected direction: the orders 1, 2, 4, 8, 16, or the first so many of them
    (deg_view, ide_level)."""
    color_layers: Depth = 8
    """Hidden layers of the network that is told this direction, of ``color_width`` each; what it is told is put in once
    more after every ``skip_every``."""
    bottleneck_noise: NonNegative = 0.0
    """Standard deviation of what is added in training to the ``bottleneck``, unless ``train.jitter`` is false: against
    colors learned by heart."""
    srgb: bool = True
    """Add up light, and store the sum by the curve of sRGB; false to add up what is stored (use_srgb)."""


class MipFieldConfig(Config):
    """The network: encoded Gaussians, a trunk, and a color head that may be told the direction."""

    width: Width = 256
    """Neurons in each layer of the trunk."""
    hidden_layers: Depth = 8
    """Layers of the trunk."""
    skip_every: Depth = 4
    """The encoding is put in once more after every so many layers beyond the first."""
    bottleneck: Width = 256
    """Features that the trunk hands to the color head."""
    color_width: Width = 128
    """Neurons in the hidden layer of the color head."""
    frequencies: Annotated[int, Field(ge=1, le=32)] = 16
    """Frequencies of the encoded Gaussian, from 1 on, each twice the one before (max_deg_point)."""
    direction_frequencies: Annotated[int, Field(ge=0, le=32)] | None = 4
    """Frequencies of the encoded direction (deg_view): 0 to leave it as it is, ``null`` for colors that are the same
    from every side (use_viewdirs). With ``reflections`` these have ``levels`` instead."""
    directions: Literal["axes", "icosahedron"] = "axes"
    """Along what Gaussians are encoded: the three axes, or 21 directions spread evenly (mip-NeRF 360, eq. 17)."""
    shape: Literal["cone", "cylinder"] = "cone"
    """What a pixel sees of space (ray_shape)."""
    density_bias: float = -1.0
    """Added before the softplus of the density, so that a new network is thin."""
    density_noise: NonNegative = 0.0
    """Standard deviation of what is added there in training, unless ``train.jitter`` is false; nothing is added in
    networks that propose."""
    rgb_padding: NonNegative = 1e-3
    """Colors reach beyond 0 and 1 by this much."""
    normals: Literal["untrained", "density", "predicted"] = "untrained"
    """Which normals ``train.loss.orientation`` turns towards the cameras: none, those of the density (the direction in
    which it falls quickest), or those that a head of its own predicts, which ``train.loss.predicted_normals`` ties to
    the density's and which are smoother (Ref-NeRF, section 4). A step takes one and a half to two times as long."""
    reflections: ReflectionsConfig | None = None
    """Color by the reflected direction instead of the direction of view, ``{}`` for Ref-NeRF's way; not by default.
    Light is reflected at ``normals``: ``predicted`` as in Ref-NeRF, or ``density``."""

    @model_validator(mode="after")
    def _reflects_at_normals(self) -> MipFieldConfig:
        if self.reflections is None:
            return self
        if self.normals == "untrained":
            raise ValueError("reflections need normals to reflect at; set normals: predicted (or density)")
        if self.direction_frequencies is None:
            raise ValueError(
                "direction_frequencies null is for colors that are the same from every side, and reflections are not; "
                "leave one of them out"
            )
        return self


class MipNerfConfig(Config):
    """mip-NeRF: cones instead of rays; one network that looks twice."""

    kind: Literal["mipnerf"]
    field: MipFieldConfig = MipFieldConfig()
    samples: Annotated[int, Field(ge=2, le=4096)] = 128
    """Intervals on each ray, in each of the two passes."""
    spacing: Literal["linear", "disparity"] = "linear"
    """Intervals of the first pass equal in distance, or in its inverse."""
    padding: NonNegative = 0.01
    """Added to each weight before the second pass is placed (resample_padding)."""
    scale: PositiveFloat = 1.0
    """Length that the network takes for 1."""
    poses: PosesConfig | None = None
    """Refine the training cameras; not by default."""


class MipNerf360Config(Config):
    """mip-NeRF 360: small networks propose where a large one looks; for scenes without an end."""

    kind: Literal["mipnerf360"]
    field: MipFieldConfig = MipFieldConfig(width=1024, frequencies=12, directions="icosahedron")
    proposal_width: Width = 256
    """Neurons in each layer of the proposal network, which sees the same encoding."""
    proposal_layers: Depth = 4
    """Layers of the proposal network."""
    rounds: tuple[PositiveInt, ...] = (64, 64)
    """Samples on each ray in each round of proposals, which share a network."""
    samples: PositiveInt = 32
    """Samples on each ray at which the large network is evaluated."""
    contraction: Literal["l2", "none"] = "l2"
    """Contract space around the scene box (eq. 10); ``none`` for scenes inside it."""
    spacing: Literal["linear", "disparity", "piecewise"] = "disparity"
    """Equal parts of the first round in distance, in its inverse, or in distance up to half the side of the scene box
    and in its inverse from there on."""
    anneal_steps: Annotated[int, Field(ge=0)] = 250_000
    """Steps of training over which proposals come to be believed (eq. 18): all of them in the paper; 0 to believe them
    at once."""
    anneal_slope: Annotated[float, Field(ge=1)] = 10.0
    """How quickly at first: 1 for evenly."""
    padding: NonNegative = 0.0
    """Added to each weight before resampling."""
    dilate: bool = True
    """Widen proposals before resampling (supplement)."""
    is_opaque: bool = True
    """The last interval of a ray lets no light through (opaque_background); false for objects before a background."""
    poses: PosesConfig | None = None
    """Refine the training cameras; not by default."""
