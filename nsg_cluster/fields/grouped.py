"""Linear layers of several networks at once, each for a run of rows of its own.

Rows are sorted by network; *groups* holds how many rows each network has. What several rows have in common (a latent
vector, a direction of view) is multiplied once and added to each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Common", "GroupedLinear", "he_layer", "repeat_groups"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """Inputs that several rows have in common."""

    values: Float[Tensor, "commons width"]
    """Sorted by network as the rows are."""
    owners: Int[Tensor, " rows"]
    """Which of them each row has."""
    groups: Sequence[int]
    """How many of them belong to each network."""


class GroupedLinear(nn.Module):
    """One linear layer of each of several networks; initial weights after Glorot and Bengio (Keras' default)."""

    def __init__(self, networks: int, inputs: int, outputs: int) -> None:
        """Draw the weights."""
        super().__init__()
        weight = torch.empty(networks, outputs, inputs)
        for matrix in weight:
            nn.init.xavier_uniform_(matrix)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(networks, outputs))
        self.precision = torch.float32

    def forward(
        self, values: Float[Tensor, "rows width"], groups: Sequence[int], common: Common | None = None
    ) -> Float[Tensor, "rows outputs"]:
        """Apply each network to its rows; the last columns of the weights belong to what rows have in common."""
        own = self.weight[:, :, : values.shape[1]]
        return self._with_common(_apply(values, own, self.bias, groups, self.precision), common)

    def after(
        self,
        first: GroupedLinear,
        values: Float[Tensor, "rows width"],
        groups: Sequence[int],
        common: Common | None = None,
    ) -> Float[Tensor, "rows outputs"]:
        """Apply another layer and then this one, with nothing between them: the product of both matrices, once."""
        own = self.weight[:, :, : first.weight.shape[1]]
        bias = torch.baddbmm(self.bias[:, :, None], own, first.bias[:, :, None])[:, :, 0]
        return self._with_common(_apply(values, own @ first.weight, bias, groups, self.precision), common)

    def _with_common(
        self, result: Float[Tensor, "rows outputs"], common: Common | None
    ) -> Float[Tensor, "rows outputs"]:
        """Add what the last columns of the weights make of what rows have in common, in place."""
        if common is None:
            return result
        others = self.weight[:, :, self.weight.shape[2] - common.values.shape[1] :]
        shared = _apply(common.values, others, None, common.groups, self.precision)
        return result.add_(shared[common.owners])


def he_layer(inputs: int, outputs: int) -> GroupedLinear:
    """Return the layer of one network with initial weights after He et al., https://arxiv.org/abs/1502.01852."""
    layer = GroupedLinear(1, inputs, outputs)
    nn.init.kaiming_uniform_(layer.weight[0], nonlinearity="relu")
    return layer


def repeat_groups(groups: Sequence[int], times: int) -> list[int]:
    """Return the groups of rows of which each has become several."""
    return [count * times for count in groups]


def _apply(
    values: Float[Tensor, "rows inputs"],
    weight: Float[Tensor, "networks outputs inputs"],
    bias: Float[Tensor, "networks outputs"] | None,
    groups: Sequence[int],
    precision: torch.dtype,
) -> Float[Tensor, "rows outputs"]:
    """Multiply each group by its matrix: one after another on a CPU, all at once, padded, on a GPU."""
    low, matrices = values.to(precision), weight.to(precision)
    offsets = None if bias is None else bias.to(precision)
    if len(groups) == 1:
        return functional.linear(low, matrices[0], None if offsets is None else offsets[0]).to(values.dtype)
    if values.is_cuda:
        return _padded(low, matrices, offsets, groups).to(values.dtype)
    parts = torch.split(low, list(groups))
    done = [
        functional.linear(part, matrix, None if offsets is None else offsets[index])
        for index, (part, matrix) in enumerate(zip(parts, matrices.unbind(0), strict=True))
        if len(part) > 0
    ]
    return torch.cat(done).to(values.dtype) if done else values.new_zeros(0, weight.shape[1])


def _padded(
    values: Float[Tensor, "rows inputs"],
    weight: Float[Tensor, "networks outputs inputs"],
    bias: Float[Tensor, "networks outputs"] | None,
    groups: Sequence[int],
) -> Float[Tensor, "rows outputs"]:
    counts = torch.tensor(groups, device=values.device)
    width = max(groups)
    place = torch.arange(width, device=values.device)
    is_real = place < counts[:, None]
    padded = values.new_zeros(len(groups), width, values.shape[1])
    padded[is_real] = values
    product = padded @ weight.transpose(1, 2)
    if bias is not None:
        product = product + bias[:, None]
    return product[is_real]
