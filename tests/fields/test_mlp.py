"""The multilayer perceptron."""

from __future__ import annotations

import torch

from nsg_cluster.fields.mlp import MLP


def test_it_is_linear_layers_with_relu_between() -> None:
    torch.manual_seed(0)
    network = MLP(5, 3, width=16, hidden_layers=2)
    values = torch.randn(7, 5)
    first, second, last = (parameter.detach() for parameter in network.parameters())
    expected = torch.relu(torch.relu(values @ first.T) @ second.T) @ last.T
    assert torch.allclose(network(values), expected, atol=1e-5)
    assert sum(parameter.numel() for parameter in network.parameters()) == 5 * 16 + 16 * 16 + 16 * 3


def test_initial_weights_keep_the_size_of_what_passes_through() -> None:
    torch.manual_seed(0)
    network = MLP(64, 64, width=64, hidden_layers=6)
    output = network(torch.randn(2000, 64))
    assert 0.5 < float(output.detach().square().mean()) < 2
