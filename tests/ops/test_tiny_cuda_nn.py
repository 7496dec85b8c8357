"""Parameters in the layout of tiny-cuda-nn."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Generator

from nsg_cluster.ops.encode import HashGridLayout
from nsg_cluster.ops.tiny_cuda_nn import (
    export_hash_table,
    export_network,
    import_hash_table,
    import_network,
    network_size,
)

LAYOUT = HashGridLayout(levels=4, features=2, log2_table_size=8, base_resolution=4, max_resolution=32)


def test_entries_lie_level_by_level_with_their_features_together() -> None:
    parameters = torch.arange(LAYOUT.num_entries * 2, dtype=torch.float32)
    table = import_hash_table(parameters, LAYOUT)
    assert table[LAYOUT.offsets[1]].tolist() == [2.0 * LAYOUT.offsets[1], 2.0 * LAYOUT.offsets[1] + 1]
    assert torch.equal(export_hash_table(table), parameters)


def test_widths_are_rounded_up_to_sixteen() -> None:
    # ngp_pl's networks: 32 to 64 to 16, and 32 to 64 to 64 to 3 (stored as 16).
    assert network_size((32, 64, 16)) == 32 * 64 + 64 * 16
    assert network_size((32, 64, 64, 3)) == 32 * 64 + 64 * 64 + 64 * 16


def test_a_network_comes_back_as_it_went(generator: Generator) -> None:
    sizes = (20, 64, 3)
    weights = [torch.randn(o, i, generator=generator) for i, o in pairwise(sizes)]
    parameters = export_network(weights)
    assert len(parameters) == network_size(sizes)
    assert parameters[32 : 32 + 20].tolist() == weights[0][1].tolist()  # the second row begins after 32 inputs
    for found, wanted in zip(import_network(parameters, sizes), weights, strict=True):
        assert torch.equal(found, wanted)


def test_weights_on_padded_inputs_are_refused() -> None:
    parameters = export_network([torch.zeros(16, 20)])
    parameters[25] = 1.0
    with pytest.raises(ValueError, match="import_network: layer 0 is biased, expected no weights on the padding"):
        import_network(parameters, (20, 16))


def test_another_length_is_refused(unchecked_shapes: None) -> None:
    with pytest.raises(ValueError, match=r"import_hash_table: parameters has shape \(5,\), expected \(\d+\)"):
        import_hash_table(torch.zeros(5), LAYOUT)
    with pytest.raises(ValueError, match=r"import_network: parameters has shape \(5,\), expected \(256\)"):
        import_network(torch.zeros(5), (16, 16))
