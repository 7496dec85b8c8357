"""The network of NeRF, which is also that of the nodes of Neural Scene Graphs.

Mildenhall et al., "NeRF", https://arxiv.org/abs/2003.08934, figure 7; Ost et al., "Neural Scene Graphs for Dynamic
Scenes", https://arxiv.org/abs/2011.10379, section 4 and supplement. Several networks of equal shape are computed
together: one for each class or object; rows are sorted by network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from nsg_cluster.fields.grouped import Common, GroupedLinear
from nsg_cluster.ops.frequency import frequency_encode

__all__ = ["NerfField", "WorldNerf", "encode", "noisy"]


def encode(values: Float[Tensor, "points dims"], frequencies: int) -> Float[Tensor, "points features"]:
    """Return coordinates followed by their sines and cosines; with 0 frequencies the coordinates alone."""
    if frequencies == 0:
        return values
    return torch.cat([values, frequency_encode(values, frequencies)], dim=1)


def noisy(raw: Float[Tensor, " points"], deviation: float, generator: Generator | None) -> Float[Tensor, " points"]:
    """Return densities that are not cut yet with noise of a standard deviation; as they are without a generator."""
    if generator is None or deviation == 0:
        return raw
    return raw + deviation * torch.randn(len(raw), generator=generator, device=generator.device).to(raw.device)


class NerfField(nn.Module):
    """Density from a trunk of equal layers; color from its features and from what is known about the ray."""

    def __init__(
        self,
        *,
        networks: int = 1,
        width: int = 256,
        hidden_layers: int = 8,
        skip: int = 4,
        color_width: int = 128,
        color_layers: int = 1,
        position_frequencies: int = 10,
        latent: int = 0,
        condition: int,
        density_noise: float = 0.0,
    ) -> None:
        """Draw the weights.

        Args:
            networks: How many networks of this shape there are.
            width: Neurons of each layer of the trunk.
            hidden_layers: Layers of the trunk.
            skip: Index of the layer after which the input is put in front of the features again.
            color_width: Neurons of each layer of the color head.
            color_layers: Hidden layers of the color head: 1 in NeRF, 4 in Neural Scene Graphs.
            position_frequencies: Frequencies of the encoded position.
            latent: Numbers that describe an instance and are handed to the trunk beside the position.
            condition: Numbers that the color head is told about a ray, already encoded.
            density_noise: Standard deviation of what is added to the density in training, before it is cut at 0.
        """
        super().__init__()
        self.position_frequencies, self.skip, self.density_noise = position_frequencies, skip, density_noise
        encoded = 3 + 6 * position_frequencies
        inputs = [encoded, *[width + encoded if index == skip else width for index in range(hidden_layers - 1)]]
        extra = [latent if index in {0, skip + 1} else 0 for index in range(hidden_layers)]
        self.trunk = nn.ModuleList(
            GroupedLinear(networks, own + more, width) for own, more in zip(inputs, extra, strict=True)
        )
        self.density_head = GroupedLinear(networks, width, 1)
        self.bottleneck = GroupedLinear(networks, width, width)
        sizes = [width + condition, *[color_width] * (color_layers - 1)]
        self.color_layers = nn.ModuleList(GroupedLinear(networks, size, color_width) for size in sizes)
        self.color_head = GroupedLinear(networks, color_width, 3)

    def geometry(
        self,
        positions: Float[Tensor, "points 3"],
        *,
        groups: Sequence[int] | None = None,
        latents: Common | None = None,
        generator: Generator | None = None,
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points features"]]:
        """Return density per unit of length and the features that color depends on.

        Args:
            positions: In the frame of the node.
            groups: Points of each network; all are of the only one by default.
            latents: What describes the instance of each point.
            generator: Source of the density's noise; none without it.
        """
        counts = groups or [len(positions)]
        hidden = self._features(positions, counts, latents)
        raw = self.density_head(hidden, counts)[:, 0]
        return torch.relu(noisy(raw, self.density_noise, generator)), hidden

    def color(
        self,
        features: Float[Tensor, "points features"],
        condition: Common,
        *,
        groups: Sequence[int] | None = None,
    ) -> Float[Tensor, "points 3"]:
        """Return colors from 0 to 1, given what ``geometry`` returned and what is known about the rays."""
        counts = groups or [len(features)]
        first, *others = self.color_layers
        assert isinstance(first, GroupedLinear)
        hidden = torch.relu_(first.after(self.bottleneck, features, counts, condition))
        for layer in others:
            hidden = torch.relu_(layer(hidden, counts))
        return torch.sigmoid(self.color_head(hidden, counts))

    def density(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
        """Return the density of the only network, without latents."""
        counts = [len(positions)]
        return torch.relu(self.density_head(self._features(positions, counts, None), counts)[:, 0])

    def _features(
        self, positions: Float[Tensor, "points 3"], counts: Sequence[int], latents: Common | None
    ) -> Float[Tensor, "points features"]:
        """Return the output of the trunk."""
        encoded = encode(positions, self.position_frequencies)
        hidden = encoded
        for index, layer in enumerate(self.trunk):
            takes_latents = index in {0, self.skip + 1}
            hidden = torch.relu_(layer(hidden, counts, latents if takes_latents else None))
            if index == self.skip and index + 1 < len(self.trunk):
                hidden = torch.cat([encoded, hidden], dim=1)
        return hidden


class WorldNerf(nn.Module):
    """One such network in world coordinates, moved and scaled; density is per scene unit."""

    center: Tensor

    def __init__(
        self, field: NerfField, *, direction_frequencies: int, center: Float[Tensor, " 3"], scale: float
    ) -> None:
        """Take over a network that is told positions from ``center`` on in units of ``scale``."""
        super().__init__()
        self.field, self.direction_frequencies, self.scale = field, direction_frequencies, scale
        self.register_buffer("center", center.clone(), persistent=False)

    def geometry(
        self, positions: Float[Tensor, "points 3"], *, generator: Generator | None = None
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points features"]]:
        """Return the density, with noise where there is a generator, and the features that color depends on."""
        density, features = self.field.geometry((positions - self.center) / self.scale, generator=generator)
        return density / self.scale, features

    def density(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
        """Return the density alone."""
        return self.field.density((positions - self.center) / self.scale) / self.scale

    def encode_directions(
        self, directions: Float[Tensor, "rays 3"], appearance: Float[Tensor, "rays looks"] | None = None
    ) -> Float[Tensor, "rays width"]:
        """Return what the color head is told about unit vectors, once a ray; networks of NeRF know no looks."""
        assert appearance is None, "model.kind nerf has no appearance"
        return encode(directions, self.direction_frequencies)

    def color(
        self,
        features: Float[Tensor, "points features"],
        encoded: Float[Tensor, "rays width"],
        rays: Int[Tensor, " points"] | None = None,
    ) -> Float[Tensor, "points 3"]:
        """Return colors from 0 to 1; without ``rays`` each point has a ray of its own."""
        owners = torch.arange(len(features), device=features.device) if rays is None else rays
        return self.field.color(features, Common(values=encoded, owners=owners, groups=[len(encoded)]))
