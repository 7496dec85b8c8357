"""The networks of mip-NeRF and mip-NeRF 360: what they are told about an interval is its Gaussian, not a point.

Barron et al., mip-NeRF, https://arxiv.org/abs/2103.13415, and mip-NeRF 360, https://arxiv.org/abs/2111.12077.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn import functional

from nsg_cluster.fields.grouped import Common, GroupedLinear, he_layer
from nsg_cluster.fields.nerf import encode, noisy
from nsg_cluster.fields.reflections import ReflectedColors
from nsg_cluster.geometry.gaussians import Frustums, along, contracted_along, frustums
from nsg_cluster.geometry.normals import unit_normals
from nsg_cluster.geometry.rays import Rays, RaySamples
from nsg_cluster.ops.frequency import integrated_encode

__all__ = ["GaussianEncoding", "MipColorField", "MipDensityField", "MipRadianceField", "MipReflectingField"]


class GaussianEncoding(nn.Module):
    """The expected sines and cosines of a Gaussian's coordinates along some directions (mip-NeRF 360, eq. 17)."""

    basis: Tensor
    center: Tensor

    def __init__(
        self,
        basis: Float[Tensor, "directions 3"],
        frequencies: int,
        *,
        center: Float[Tensor, " 3"],
        scale: float,
        contracts: bool,
        shape: Literal["cone", "cylinder"] = "cone",
    ) -> None:
        """Encode lengths in units of ``scale`` from ``center`` on, contracted beyond the unit ball or not."""
        super().__init__()
        self.register_buffer("basis", basis.clone(), persistent=False)
        self.register_buffer("center", center.clone(), persistent=False)
        self.frequencies, self.scale, self.contracts, self.shape = frequencies, scale, contracts, shape

    @property
    def width(self) -> int:
        """Number of features."""
        return 2 * self.frequencies * len(self.basis)

    def forward(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples features"]:
        """Encode intervals."""
        return self.encode(frustums(rays, samples, shape=self.shape))

    def encode(self, gaussians: Frustums) -> Float[Tensor, "points features"]:
        """Encode Gaussians."""
        if self.contracts:
            means, variances = contracted_along(gaussians, self.basis, center=self.center, scale=self.scale)
        else:
            means, variances = along(gaussians, self.basis)
            means = (means - self.basis @ self.center) / self.scale
            variances = variances / self.scale**2
        return integrated_encode(means.contiguous(), variances.contiguous(), self.frequencies)


class MipDensityField(nn.Module):
    """Density of intervals from a trunk of equal layers."""

    def __init__(
        self,
        encoding: GaussianEncoding,
        *,
        width: int,
        hidden_layers: int,
        skip_every: int = 4,
        density_bias: float = -1.0,
        density_noise: float = 0.0,
    ) -> None:
        """Draw the weights.

        Args:
            encoding: What the trunk is told.
            width: Neurons of each layer.
            hidden_layers: Layers of the trunk.
            skip_every: The encoding is put beside the features again after every so many layers beyond the first.
            density_bias: Added before the softplus, so that a new network is thin.
            density_noise: Standard deviation of what is added there where there is a generator.
        """
        super().__init__()
        self.encoding, self.density_bias, self.density_noise = encoding, density_bias, density_noise
        self.skips = [index > 0 and index % skip_every == 0 for index in range(hidden_layers)]
        sizes = [encoding.width, *(width + encoding.width * skipped for skipped in self.skips)]
        self.trunk = nn.ModuleList(he_layer(size, width) for size in sizes[:-1])
        self.num_features = sizes[-1]
        self.density_head = he_layer(self.num_features, 1)

    def features(
        self, rays: Rays, samples: RaySamples, *, generator: Generator | None = None
    ) -> tuple[Float[Tensor, " samples"], Float[Tensor, "samples features"]]:
        """Return the density per scene unit, with noise where there is a generator, and the features of intervals."""
        return self.trunk_features(self.encoding(rays, samples), generator=generator)

    def trunk_features(
        self, encoded: Float[Tensor, "points width"], *, generator: Generator | None = None
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points features"]]:
        """Return density, with noise where there is a generator, and features, given what is encoded."""
        hidden = encoded
        for layer, skipped in zip(self.trunk, self.skips, strict=True):
            hidden = torch.relu_(layer(hidden, [len(hidden)]))
            if skipped:
                hidden = torch.cat([hidden, encoded], dim=1)
        raw = self.density_head(hidden, [len(hidden)])[:, 0]
        raw = noisy(raw, self.density_noise, generator)
        return functional.softplus(raw + self.density_bias) / self.encoding.scale, hidden

    def along(self, rays: Rays, samples: RaySamples) -> Float[Tensor, " samples"]:
        """Return the density of intervals."""
        return self.features(rays, samples)[0]

    def slopes(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"]:
        """Return how the density of intervals changes as they are moved, their shape kept; a constant."""
        gaussians = frustums(rays, samples, shape=self.encoding.shape)
        shift = torch.zeros_like(gaussians.means, requires_grad=True)
        with torch.enable_grad():
            moved = replace(gaussians, means=gaussians.means.detach() + shift)
            density, _ = self.trunk_features(self.encoding.encode(moved))
            (slopes,) = torch.autograd.grad(density.sum(), shift)
        return slopes


class MipRadianceField(MipDensityField, ABC):
    """Density and color; normals of the density, and those of a head of their own where there is one."""

    normal_head: GroupedLinear | None
    """Says what the normal is (Ref-NeRF, section 4)."""
    needs_slopes = False
    """Whether colors depend on how the density changes from place to place."""
    rgb_padding: float
    """Colors reach from minus this to 1 plus this, so that 0 and 1 are not at infinity."""

    def forward(
        self, rays: Rays, samples: RaySamples, *, generator: Generator | None = None
    ) -> tuple[Float[Tensor, " samples"], Float[Tensor, "samples 3"]]:
        """Return density per scene unit and color of intervals, with noise where there is a generator."""
        if self.needs_slopes:
            return self.with_normals(rays, samples, generator=generator)[:2]
        density, hidden = self.features(rays, samples, generator=generator)
        return density, self._color(hidden, rays.view_directions, samples.rays, generator=generator)

    def with_normals(
        self, rays: Rays, samples: RaySamples, *, generator: Generator | None = None
    ) -> tuple[
        Float[Tensor, " samples"],
        Float[Tensor, "samples 3"],
        Float[Tensor, "samples 3"],
        Float[Tensor, "samples 3"] | None,
    ]:
        """Return density and color, the gradient of the density in the world, and the predicted normal if there is one.

        The gradient can itself be differentiated, so that normals can be trained. There is noise as in `forward`.
        """
        density, hidden, slopes = self._sloping(frustums(rays, samples, shape=self.encoding.shape), generator)
        color = self._color(hidden, rays.view_directions, samples.rays, slopes=slopes, generator=generator)
        return density, color, slopes, self._predicted(hidden)

    def predicted_normals(self, rays: Rays, samples: RaySamples) -> Float[Tensor, "samples 3"] | None:
        """Return the unit normals that the head of its own says, if there is one."""
        return None if self.normal_head is None else self._predicted(self.features(rays, samples)[1])

    def at_points(
        self, positions: Float[Tensor, "points 3"], directions: Float[Tensor, "points 3"]
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density per scene unit, and color, at points without extent, seen along unit directions."""
        nothing = torch.zeros_like(positions[:, 0])
        points = Frustums(means=positions, directions=directions, along=nothing, across=nothing)
        slopes = None
        if self.needs_slopes:
            density, hidden, slopes = self._sloping(points, None)
        else:
            density, hidden = self.trunk_features(self.encoding.encode(points))
        owners = torch.arange(len(positions), device=positions.device)
        return density, self._color(hidden, directions, owners, slopes=slopes)

    def _sloping(
        self, gaussians: Frustums, generator: Generator | None
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points features"], Float[Tensor, "points 3"]]:
        """Return density, features and the gradient of the density, which are constants where no gradient is wanted."""
        is_wanted = torch.is_grad_enabled()
        with torch.enable_grad():
            shift = torch.zeros_like(gaussians.means, requires_grad=True)
            encoded = self.encoding.encode(replace(gaussians, means=gaussians.means + shift))
            density, hidden = self.trunk_features(encoded, generator=generator)
            (slopes,) = torch.autograd.grad(density.sum(), shift, create_graph=is_wanted)
        return (density, hidden, slopes) if is_wanted else (density.detach(), hidden.detach(), slopes)

    def _predicted(self, hidden: Float[Tensor, "points features"]) -> Float[Tensor, "points 3"] | None:
        if self.normal_head is None:
            return None
        return functional.normalize(self.normal_head(hidden, [len(hidden)]), dim=1)

    def _padded(self, color: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
        return color * (1 + 2 * self.rgb_padding) - self.rgb_padding

    @abstractmethod
    def _color(
        self,
        hidden: Float[Tensor, "points features"],
        directions: Float[Tensor, "rays 3"],
        owners: Int[Tensor, " points"],
        *,
        slopes: Float[Tensor, "points 3"] | None = None,
        generator: Generator | None = None,
    ) -> Float[Tensor, "points 3"]:
        """Return colors.

        Args:
            hidden: Features of the trunk.
            directions: Unit directions of view.
            owners: Which of them each point has.
            slopes: Gradient of the density, where it is known.
            generator: Source of noise; none without it.
        """


class MipColorField(MipRadianceField):
    """Color by the direction of view, or the same from every side."""

    def __init__(
        self,
        encoding: GaussianEncoding,
        *,
        width: int,
        hidden_layers: int,
        skip_every: int = 4,
        density_bias: float = -1.0,
        density_noise: float = 0.0,
        bottleneck: int,
        color_width: int,
        direction_frequencies: int | None,
        rgb_padding: float = 1e-3,
        predicts_normals: bool = False,
    ) -> None:
        """Draw the weights.

        Args:
            encoding: What the trunk is told.
            width: Neurons of each layer of the trunk.
            hidden_layers: Layers of the trunk.
            skip_every: As of `MipDensityField`.
            density_bias: As of `MipDensityField`.
            density_noise: As of `MipDensityField`.
            bottleneck: Features handed to the color head.
            color_width: Neurons of the hidden layer of the color head.
            direction_frequencies: Frequencies of the encoded direction; None where colors do not depend on it.
            rgb_padding: As of `MipRadianceField`.
            predicts_normals: Whether a head of its own says what the normal is.
        """
        super().__init__(
            encoding,
            width=width,
            hidden_layers=hidden_layers,
            skip_every=skip_every,
            density_bias=density_bias,
            density_noise=density_noise,
        )
        self.direction_frequencies, self.rgb_padding = direction_frequencies, rgb_padding
        self.bottleneck = he_layer(self.num_features, bottleneck)
        told = 0 if direction_frequencies is None else 3 + 6 * direction_frequencies
        self.color_layer = he_layer(bottleneck + told, color_width)
        self.color_head = he_layer(color_width, 3)
        self.normal_head = he_layer(self.num_features, 3) if predicts_normals else None

    def _color(
        self,
        hidden: Float[Tensor, "points features"],
        directions: Float[Tensor, "rays 3"],
        owners: Int[Tensor, " points"],
        *,
        slopes: Float[Tensor, "points 3"] | None = None,
        generator: Generator | None = None,
    ) -> Float[Tensor, "points 3"]:
        del slopes, generator
        known, count = None, [len(hidden)]
        if self.direction_frequencies is not None:
            told = encode(directions, self.direction_frequencies)
            known = Common(values=told, owners=owners, groups=[len(directions)])
        shaded = torch.relu_(self.color_layer.after(self.bottleneck, hidden, count, known))
        return self._padded(torch.sigmoid(self.color_head(shaded, count)))


class MipReflectingField(MipRadianceField):
    """Color by the direction that a surface reflects (Ref-NeRF), at predicted normals or those of the density."""

    def __init__(
        self,
        encoding: GaussianEncoding,
        *,
        width: int,
        hidden_layers: int,
        skip_every: int = 4,
        density_bias: float = -1.0,
        density_noise: float = 0.0,
        bottleneck: int,
        bottleneck_noise: float = 0.0,
        color_width: int,
        color_layers: int,
        levels: int,
        is_srgb: bool = True,
        rgb_padding: float = 1e-3,
        predicts_normals: bool = True,
    ) -> None:
        """Draw the weights.

        Args:
            encoding: What the trunk is told.
            width: Neurons of each layer of the trunk.
            hidden_layers: Layers of the trunk.
            skip_every: As of `MipDensityField` and of `ReflectedColors`.
            density_bias: As of `MipDensityField`.
            density_noise: As of `MipDensityField`.
            bottleneck: As of `ReflectedColors`.
            bottleneck_noise: As of `ReflectedColors`.
            color_width: Neurons of each layer that is told the reflected direction.
            color_layers: Number of these layers.
            levels: As of `ReflectedColors`.
            is_srgb: As of `ReflectedColors`.
            rgb_padding: As of `MipRadianceField`.
            predicts_normals: Whether a head of its own says what the normal is.
        """
        super().__init__(
            encoding,
            width=width,
            hidden_layers=hidden_layers,
            skip_every=skip_every,
            density_bias=density_bias,
            density_noise=density_noise,
        )
        self.rgb_padding, self.needs_slopes = rgb_padding, not predicts_normals
        self.colors = ReflectedColors(
            self.num_features,
            bottleneck=bottleneck,
            width=color_width,
            hidden_layers=color_layers,
            skip_every=skip_every,
            levels=levels,
            bottleneck_noise=bottleneck_noise,
            is_srgb=is_srgb,
        )
        self.normal_head = he_layer(self.num_features, 3) if predicts_normals else None

    def _color(
        self,
        hidden: Float[Tensor, "points features"],
        directions: Float[Tensor, "rays 3"],
        owners: Int[Tensor, " points"],
        *,
        slopes: Float[Tensor, "points 3"] | None = None,
        generator: Generator | None = None,
    ) -> Float[Tensor, "points 3"]:
        return self._padded(self.colors(hidden, directions[owners], self._normals(hidden, slopes), generator=generator))

    def materials(
        self, rays: Rays, samples: RaySamples
    ) -> tuple[Float[Tensor, "samples 3"], Float[Tensor, "samples 3"], Float[Tensor, " samples"]]:
        """Return the diffuse color of intervals and the reflected one, each as images would store it, and roughness."""
        slopes = None
        if self.needs_slopes:
            _, hidden, slopes = self._sloping(frustums(rays, samples, shape=self.encoding.shape), None)
        else:
            hidden = self.features(rays, samples)[1]
        directions = rays.view_directions[samples.rays]
        diffuse, specular, roughness = self.colors.parts(hidden, directions, self._normals(hidden, slopes))
        return self.colors.stored(diffuse), self.colors.stored(specular), roughness[:, 0]

    def _normals(
        self, hidden: Float[Tensor, "points features"], slopes: Float[Tensor, "points 3"] | None
    ) -> Float[Tensor, "points 3"]:
        normals = self._predicted(hidden)
        if normals is None:
            assert slopes is not None, "needs_slopes asks for them"
            normals = unit_normals(slopes)
        return normals
