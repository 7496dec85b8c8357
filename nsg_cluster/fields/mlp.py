"""The one multilayer perceptron: linear layers with ReLU between them and nothing after the last."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nsg_cluster.fields.grouped import GroupedLinear
from nsg_cluster.ops.backends import Backend, mlp
from nsg_cluster.ops.reference.mlp import mlp as mlp_of_any_dtype

__all__ = ["MLP", "set_precision"]


class MLP(nn.Module):
    """Linear layers without biases; uniform initial weights after He et al., https://arxiv.org/abs/1502.01852."""

    def __init__(
        self, inputs: int, outputs: int, *, width: int, hidden_layers: int, backend: Backend = "native"
    ) -> None:
        """Draw the weights of ``hidden_layers + 1`` layers."""
        super().__init__()
        self.backend = backend
        sizes = [inputs, *[width] * hidden_layers, outputs]
        layers = [nn.Linear(fan_in, fan_out, bias=False) for fan_in, fan_out in itertools.pairwise(sizes)]
        for layer in layers[:-1]:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.kaiming_uniform_(layers[-1].weight, nonlinearity="linear")
        self.layers = nn.ModuleList(layers)
        self.precision = torch.float32

    def forward(self, values: Float[Tensor, "points inputs"]) -> Float[Tensor, "points outputs"]:
        """Apply the layers to each row; in lower precision by PyTorch, unless tiny-cuda-nn chooses its own."""
        weights = [layer.weight for layer in self.layers if isinstance(layer, nn.Linear)]
        if self.precision == torch.float32 or self.backend == "tinycudann":
            return mlp(values, weights, backend=self.backend)
        rounded = [weight.to(self.precision) for weight in weights]
        return mlp_of_any_dtype(values.to(self.precision), rounded).to(values.dtype)


def set_precision(module: nn.Module, precision: torch.dtype) -> None:
    """Let all perceptrons in a module compute in a dtype; weights, inputs and outputs keep theirs."""
    for inner in module.modules():
        if isinstance(inner, MLP | GroupedLinear):
            inner.precision = precision
