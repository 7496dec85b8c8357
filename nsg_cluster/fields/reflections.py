"""Colors by the reflected direction: a diffuse color, and what a surface that is more or less rough reflects.

Verbin et al., Ref-NeRF, https://arxiv.org/abs/2112.03907, section 3.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from nsg_cluster.fields.grouped import he_layer
from nsg_cluster.fields.tone import srgb
from nsg_cluster.geometry.normals import reflected

__all__ = ["DirectionalEncoding", "ReflectedColors"]

# As in multinerf: a new surface is fairly smooth, and its light is 1/4 diffuse and 1/4 reflected.
ROUGHNESS_BIAS = -1.0
DIFFUSE_BIAS = -math.log(3.0)


class DirectionalEncoding(nn.Module):
    """The mean spherical harmonics of directions spread around one (integrated directional encoding, eq. 6 to 8).

    Of the orders l = 1, 2, 4, … there are all ``2 l + 1`` real harmonics, with the Condon-Shortley phase. Directions
    are spread as von Mises and Fisher have it, around a mean with a concentration of ``1 / roughness``, of which the
    order l keeps about ``exp(-l (l + 1) roughness / 2)``.
    """

    def __init__(self, levels: int) -> None:
        """Prepare the orders 1 to ``2 ** (levels - 1)``, each twice the one before."""
        super().__init__()
        self.orders = [1 << level for level in range(levels)]
        for order in range(1, self.orders[-1] + 1):
            grow, back = _recurrence(order)
            self.register_buffer(f"grow_{order}", grow, persistent=False)
            self.register_buffer(f"back_{order}", back, persistent=False)

    @property
    def width(self) -> int:
        """Number of features."""
        return sum(2 * order + 1 for order in self.orders)

    def forward(
        self, directions: Float[Tensor, "points 3"], roughness: Float[Tensor, "points 1"]
    ) -> Float[Tensor, "points features"]:
        """Encode unit vectors; ordered by l, then m from ``-l`` to ``l``."""
        cosines, sines = _turns(directions, len(self.orders))
        parts = []
        for order, heights in self._heights(directions[:, 2:]).items():
            kept = heights * torch.exp(-0.5 * order * (order + 1) * roughness)
            below = kept[:, 1:] * sines[:, 1 : order + 1]
            parts += [below.flip(1), kept * cosines[:, : order + 1]]
        return torch.cat(parts, dim=1)

    def _heights(self, z: Float[Tensor, "points 1"]) -> dict[int, Float[Tensor, "points m"]]:
        """Return what depends on the height alone, for m from 0 on: each order from the two before it, for all m."""
        before, last = z.new_zeros(len(z), 0), z.new_full((len(z), 1), _sectoral(0))
        found = {}
        for order in range(1, self.orders[-1] + 1):
            grow, back = self.get_buffer(f"grow_{order}"), self.get_buffer(f"back_{order}")
            inner = grow * (z * last - back * functional.pad(before, (0, 1)))
            before, last = last, functional.pad(inner, (0, 1), value=_sectoral(order))
            if order in self.orders:
                found[order] = last
        return found


class ReflectedColors(nn.Module):
    """Color of light that leaves a surface: what it scatters everywhere, and a tint of what it reflects (eq. 9)."""

    def __init__(
        self,
        features: int,
        *,
        bottleneck: int,
        width: int,
        hidden_layers: int,
        skip_every: int = 4,
        levels: int = 5,
        bottleneck_noise: float = 0.0,
        is_srgb: bool = True,
    ) -> None:
        """Draw the weights.

        Args:
            features: Numbers known about each point.
            bottleneck: Features made of them for the network that is told directions.
            width: Neurons of each layer of this network.
            hidden_layers: Its layers.
            skip_every: What it is told is put beside its features again after every so many layers beyond the first.
            levels: Orders of spherical harmonics of the reflected direction.
            bottleneck_noise: Standard deviation of what is added to the bottleneck where there is a generator.
            is_srgb: Light is added up, and stored by the curve of sRGB; else what is stored is added up.
        """
        super().__init__()
        self.encoding = DirectionalEncoding(levels)
        self.bottleneck_noise, self.is_srgb = bottleneck_noise, is_srgb
        self.surface_head = he_layer(features, 7)
        self.bottleneck = he_layer(features, bottleneck)
        told = bottleneck + self.encoding.width + 1
        self.skips = [index > 0 and index % skip_every == 0 for index in range(hidden_layers)]
        sizes = [told, *(width + told * skipped for skipped in self.skips)]
        self.layers = nn.ModuleList(he_layer(size, width) for size in sizes[:-1])
        self.head = he_layer(sizes[-1], 3)

    def forward(
        self,
        features: Float[Tensor, "points features"],
        directions: Float[Tensor, "points 3"],
        normals: Float[Tensor, "points 3"],
        *,
        generator: Generator | None = None,
    ) -> Float[Tensor, "points 3"]:
        """Return colors from 0 to 1: see `parts`."""
        diffuse, specular, _ = self.parts(features, directions, normals, generator=generator)
        return self.stored(diffuse + specular)

    def parts(
        self,
        features: Float[Tensor, "points features"],
        directions: Float[Tensor, "points 3"],
        normals: Float[Tensor, "points 3"],
        *,
        generator: Generator | None = None,
    ) -> tuple[Float[Tensor, "points 3"], Float[Tensor, "points 3"], Float[Tensor, "points 1"]]:
        """Return the diffuse color and the reflected one, which are added up before they are stored, and the roughness.

        Args:
            features: What is known about each point.
            directions: Unit vectors from the camera.
            normals: Unit vectors.
            generator: Source of the bottleneck's noise; none without it.
        """
        raw = _apply(self.surface_head, features)
        diffuse = torch.sigmoid(raw[:, :3] + DIFFUSE_BIAS)
        tint = torch.sigmoid(raw[:, 3:6])
        roughness = functional.softplus(raw[:, 6:] + ROUGHNESS_BIAS)
        light = self.encoding(reflected(directions, normals), roughness)
        facing = (directions * normals).sum(dim=1, keepdim=True)
        specular = self._specular(torch.cat([self._bottleneck(features, generator), light, facing], dim=1))
        return diffuse, tint * specular, roughness

    def stored(self, total: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
        """Return colors as images store them, from 0 to 1."""
        return (srgb(total) if self.is_srgb else total).clamp(0.0, 1.0)

    def _bottleneck(
        self, features: Float[Tensor, "points features"], generator: Generator | None
    ) -> Float[Tensor, "points width"]:
        values = _apply(self.bottleneck, features)
        if generator is None or self.bottleneck_noise == 0:
            return values
        drawn = torch.randn(values.shape, generator=generator, device=generator.device)
        return values + self.bottleneck_noise * drawn.to(values.device)

    def _specular(self, told: Float[Tensor, "points told"]) -> Float[Tensor, "points 3"]:
        """Return the light from the reflected directions."""
        hidden = told
        for layer, skipped in zip(self.layers, self.skips, strict=True):
            hidden = torch.relu_(_apply(layer, hidden))
            if skipped:
                hidden = torch.cat([hidden, told], dim=1)
        return torch.sigmoid(_apply(self.head, hidden))


def _apply(layer: nn.Module, values: Float[Tensor, "points inputs"]) -> Float[Tensor, "points outputs"]:
    result: Tensor = layer(values, [len(values)])
    return result


def _sectoral(m: int) -> float:
    """Return the harmonic ``l = m`` of height and ``cos(m phi)``, without the sine of the polar angle to the m."""
    size = math.sqrt((2 if m else 1) * (2 * m + 1) / (4 * math.pi * math.factorial(2 * m)))
    return (1 - 2 * (m % 2)) * size * math.prod(range(1, 2 * m, 2))


def _recurrence(order: int) -> tuple[Float[Tensor, " order"], Float[Tensor, " order"]]:
    """Return ``a, b`` of ``Q_l = a (z Q_{l-1} - b Q_{l-2})`` for normalized harmonics, m from 0 to l - 1."""
    m, below = torch.arange(order, dtype=torch.float64).square(), float((order - 1) ** 2)
    grow = torch.sqrt((4 * order**2 - 1) / (order**2 - m))
    back = torch.sqrt((below - m) / (4 * below - 1)) if order > 1 else torch.zeros(1)
    return grow.float(), back.float()


def _turns(
    directions: Float[Tensor, "points 3"], levels: int
) -> tuple[Float[Tensor, "points m"], Float[Tensor, "points m"]]:
    """Return the real and imaginary parts of ``(x + i y)^m`` for m from 0 to ``2 ** (levels - 1)``, by doubling."""
    x, y = directions[:, :1], directions[:, 1:2]
    real, imaginary = torch.ones_like(x), torch.zeros_like(x)
    for _ in range(levels - 1):
        real, imaginary = (
            torch.cat([real, x * real - y * imaginary], dim=1),
            torch.cat([imaginary, x * imaginary + y * real], dim=1),
        )
        x, y = x * x - y * y, 2 * x * y
    return torch.cat([real, x], dim=1), torch.cat([imaginary, y], dim=1)
