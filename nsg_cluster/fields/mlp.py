"""The one multilayer perceptron: linear layers with ReLU between them and nothing after the last."""

from __future__ import annotations

import itertools

from jaxtyping import Float
from torch import Tensor, nn

from nsg_cluster.ops.mlp import mlp

__all__ = ["MLP"]


class MLP(nn.Module):
    """Linear layers without biases; uniform initial weights after He et al., https://arxiv.org/abs/1502.01852."""

    def __init__(self, inputs: int, outputs: int, *, width: int, hidden_layers: int) -> None:
        """Draw the weights of ``hidden_layers + 1`` layers."""
        super().__init__()
        sizes = [inputs, *[width] * hidden_layers, outputs]
        layers = [nn.Linear(fan_in, fan_out, bias=False) for fan_in, fan_out in itertools.pairwise(sizes)]
        for layer in layers[:-1]:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.kaiming_uniform_(layers[-1].weight, nonlinearity="linear")
        self.layers = nn.ModuleList(layers)

    def forward(self, values: Float[Tensor, "points inputs"]) -> Float[Tensor, "points outputs"]:
        """Apply the layers to each row."""
        return mlp(values, [layer.weight for layer in self.layers if isinstance(layer, nn.Linear)])
