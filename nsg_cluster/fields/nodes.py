"""Fields of the nodes of a scene graph: density and color at points in the frames of many objects.

Points come hit by hit (a *hit* is a ray that goes through an object's box), hits object by object, and objects are
numbered class by class, so that whatever computes them finds its points in a row.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from nsg_cluster.fields.grouped import Common
from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.fields.mlp import MLP
from nsg_cluster.fields.nerf import NerfField, encode
from nsg_cluster.ops.encode import spherical_harmonics, trunc_exp

__all__ = ["HashNodes", "NerfNodes", "NodePoints", "NodesField"]

LATENT_SPREAD = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePoints:
    """Points in the frames of objects, seen along rays."""

    positions: Float[Tensor, "points 3"]
    """In the object's frame, in which its box is the cube from -1 to 1."""
    hits: Int[Tensor, " points"]
    """Hit of each point; never decreases."""
    directions: Float[Tensor, "hits 3"]
    """Unit vectors of view, in the object's frame."""
    objects: Int[Tensor, " hits"]
    """Object of each hit; never decreases."""
    places: Float[Tensor, "hits 3"]
    """Where the object was observed to stand, in the world."""
    per_hit: int
    """Points of each hit."""


class NodesField(nn.Module, ABC):
    """What computes the nodes of several objects."""

    latents: nn.Parameter | None

    @abstractmethod
    def forward(
        self, points: NodePoints, generator: Generator | None = None
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density per scene unit, and color; the generator is the source of noise in training."""

    @abstractmethod
    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Let every object begin as the only one of other nodes is; latent vectors keep the spread that they have.

        Args:
            state: The state of nodes of one object.

        Raises:
            ValueError: Shapes do not fit.
        """

    def _take(self, sources: Mapping[str, str], state: Mapping[str, Tensor]) -> None:
        """Write what others have into parameters, each by its name in ``state``; a leading dimension of 1 is repeated.

        Raises:
            ValueError: One is missing there, or has another shape.
        """
        if surplus := set(state) - set(sources.values()):
            raise ValueError(f"'{min(surplus)}' is there, and not here")
        own = dict(self.named_parameters())
        for name, source in sources.items():
            shape = tuple(own[name].shape)
            found = tuple(state[source].shape) if source in state else None
            if found not in {shape, (1, *shape[1:])}:
                raise ValueError(f"'{source}' is {found or 'missing'} there, and {shape} here")
        with torch.no_grad():
            for name, source in sources.items():
                if name == "latents":
                    own[name].add_(state[source])
                else:
                    own[name].copy_(state[source].expand_as(own[name]))


class NerfNodes(NodesField):
    """Frequency-encoded networks: one for each object, or one for each class, told apart by latent vectors."""

    network_of: Tensor

    def __init__(
        self,
        field: NerfField,
        network_of: Sequence[int],
        *,
        latent: int,
        direction_frequencies: int,
        place_frequencies: int | None,
    ) -> None:
        """Take over the networks.

        Args:
            field: Its color head is told the encoded direction, and the encoded place if there are frequencies for it.
            network_of: Network of each object; never decreases.
            latent: Numbers of each object's latent vector; 0 for none.
            direction_frequencies: Frequencies of the encoded direction.
            place_frequencies: Frequencies of the encoded place of the object, None to leave that out.
        """
        super().__init__()
        self.field = field
        self.networks = max(network_of, default=0) + 1
        self.register_buffer("network_of", torch.tensor(network_of, dtype=torch.int64), persistent=False)
        self.latents = nn.Parameter(torch.randn(len(network_of), latent) * LATENT_SPREAD) if latent else None
        self.direction_frequencies, self.place_frequencies = direction_frequencies, place_frequencies

    def forward(
        self, points: NodePoints, generator: Generator | None = None
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density and color."""
        hits_of_network = self._count(self.network_of[points.objects])
        groups = [count * points.per_hit for count in hits_of_network]
        latents = None
        if self.latents is not None:
            owners = points.objects[points.hits]
            latents = Common(values=self.latents, owners=owners, groups=self._count(self.network_of))
        density, features = self.field.geometry(points.positions, groups=groups, latents=latents, generator=generator)
        known = [encode(points.directions, self.direction_frequencies)]
        if self.place_frequencies is not None:
            known.append(encode(points.places, self.place_frequencies))
        condition = Common(values=torch.cat(known, dim=1), owners=points.hits, groups=hits_of_network)
        return density, self.field.color(features, condition, groups=groups)

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Let every network begin as the only one of other nodes is."""
        self._take({name: name for name, _ in self.named_parameters()}, state)

    def _count(self, networks: Int[Tensor, " rows"]) -> list[int]:
        counts: list[int] = torch.bincount(networks, minlength=self.networks).tolist()
        return counts


class HashNodes(NodesField):
    """A hash grid for each object, or for each class; all share two small networks, called once for all points."""

    grid_of: Tensor
    density_scale: Tensor

    def __init__(
        self,
        grids: Sequence[HashGrid],
        grid_of: Sequence[int],
        *,
        units: Sequence[float],
        hidden_width: int,
        geometry_features: int,
        direction_degree: int,
        latent: int,
    ) -> None:
        """Build the networks on the grids.

        Args:
            grids: Fill the boxes.
            grid_of: Grid of each object; never decreases.
            units: Length over which a density of one stops most light, for each object.
            hidden_width: Neurons of the hidden layers.
            geometry_features: Features that the density network hands to the color network.
            direction_degree: Degree of the spherical harmonics of the direction.
            latent: Numbers of each object's latent vector, which both networks are told; 0 for none.
        """
        super().__init__()
        self.grids = nn.ModuleList(grids)
        self.register_buffer("grid_of", torch.tensor(grid_of, dtype=torch.int64), persistent=False)
        self.register_buffer("density_scale", 1.0 / torch.tensor(units, dtype=torch.float32), persistent=False)
        self.latents = nn.Parameter(torch.randn(len(grid_of), latent) * LATENT_SPREAD) if latent else None
        self.direction_degree = direction_degree
        backend = grids[0].backend if grids else "native"
        encoded = grids[0].num_outputs if grids else 1
        self.density_network = MLP(
            encoded + latent, 1 + geometry_features, width=hidden_width, hidden_layers=1, backend=backend
        )
        self.color_network = MLP(
            geometry_features + direction_degree**2, 3, width=hidden_width, hidden_layers=2, backend=backend
        )

    def forward(
        self, points: NodePoints, generator: Generator | None = None
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, "points 3"]]:
        """Return density and color."""
        del generator
        objects = points.objects[points.hits]
        inputs = [self._encoded(points.positions, objects)]
        if self.latents is not None:
            inputs.append(self.latents[objects])
        outputs = self.density_network(torch.cat(inputs, dim=1))
        density = trunc_exp(outputs[:, 0]) * self.density_scale[objects]
        known = spherical_harmonics(points.directions, self.direction_degree)[points.hits]
        return density, torch.sigmoid(self.color_network(torch.cat([known, outputs[:, 1:]], dim=1)))

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Let every grid begin as the only one of other nodes is."""
        self._take({name: re.sub(r"^grids\.\d+\.", "grids.0.", name) for name, _ in self.named_parameters()}, state)

    def _encoded(
        self, positions: Float[Tensor, "points 3"], objects: Int[Tensor, " points"]
    ) -> Float[Tensor, "points features"]:
        """Return the features that each point finds in its object's grid."""
        counts: list[int] = torch.bincount(self.grid_of[objects], minlength=len(self.grids)).tolist()
        # A sample at the entry lies on the surface of the box, give or take rounding.
        parts = torch.split(((positions + 1) / 2).clamp(0, 1), counts)
        return torch.cat([grid(part) for grid, part in zip(self.grids, parts, strict=True)])
