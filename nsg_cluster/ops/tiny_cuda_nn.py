"""Parameters in the flat layout of tiny-cuda-nn, from it and to it.

A hash grid is stored there as here: level after level, entry after entry, features together. A network is a row of
matrices of shape (outputs, inputs), row by row, first layer first, whose widths are rounded up to multiples of 16:
extra inputs read ones (or zeros, behind a grid), extra outputs are thrown away. Where network and encoding share one
vector, the network comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.ops.arguments import Arguments
from nsg_cluster.ops.reference.encode import HashGridLayout

__all__ = ["export_hash_table", "export_network", "import_hash_table", "import_network", "network_size"]


def import_hash_table(
    parameters: Float[Tensor, " parameters"], layout: HashGridLayout
) -> Float[Tensor, "entries features"]:
    """Return the entries of a hash grid.

    Raises:
        ValueError: The vector has another length than the grid.
    """
    Arguments("import_hash_table").check("parameters", parameters, (layout.num_entries * layout.features,))
    return parameters.reshape(layout.num_entries, layout.features)


def export_hash_table(table: Float[Tensor, "entries features"]) -> Float[Tensor, " parameters"]:
    """Return the parameters of a hash grid; the inverse of ``import_hash_table``."""
    return table.reshape(-1)


def _padded(width: int) -> int:
    return (width + 15) // 16 * 16


def network_size(sizes: Sequence[int]) -> int:
    """Return the number of parameters of a network with these inputs, hidden widths and outputs."""
    return sum(_padded(inputs) * _padded(outputs) for inputs, outputs in pairwise(sizes))


def import_network(parameters: Float[Tensor, " parameters"], sizes: Sequence[int]) -> list[Float[Tensor, "_ _"]]:
    """Return the matrices of a network.

    Args:
        parameters: Vector of ``network_size(sizes)`` numbers.
        sizes: Inputs, hidden widths and outputs.

    Raises:
        ValueError: The vector has another length, or extra inputs have weights: they read ones, and would be biases.
    """
    arguments = Arguments("import_network")
    arguments.check("parameters", parameters, (network_size(sizes),))
    weights = []
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        count = _padded(inputs) * _padded(outputs)
        matrix, parameters = parameters[:count].view(_padded(outputs), _padded(inputs)), parameters[count:]
        is_plain = not bool(matrix[:outputs, inputs:].any())
        arguments.require(f"layer {layer}", "biased", allowed="no weights on the padding of its inputs", fits=is_plain)
        weights.append(matrix[:outputs, :inputs].clone())
    return weights


def export_network(weights: Sequence[Float[Tensor, "_ _"]]) -> Float[Tensor, " parameters"]:
    """Return the parameters of a network, padded with zeros; the inverse of ``import_network``."""
    rows = []
    for weight in weights:
        outputs, inputs = weight.shape
        padding = (0, _padded(inputs) - inputs, 0, _padded(outputs) - outputs)
        rows.append(torch.nn.functional.pad(weight, padding).reshape(-1))
    return torch.cat(rows)
