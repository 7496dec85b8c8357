"""A small multilayer perceptron without biases, all layers in one call.

Matrices of 64 by 64 are too small for a matrix library to be at its best: here a block of points passes through all
layers while its activations stay in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import Arguments
from nsg_cluster.ops.reference import mlp as reference

__all__ = ["mlp"]


def mlp(
    values: Float[Tensor, "points inputs"], weights: Sequence[Float[Tensor, "_ _"]]
) -> Float[Tensor, "points outputs"]:
    """Multiply by each matrix in turn, with ReLU between them and nothing after the last; differentiable.

    Args:
        values: One row for each point. What ``hash_encode`` returned is taken without a copy.
        weights: Matrices of shape (outputs, inputs), first layer first. Compiled kernels take up to 8 layers of up to
            128 numbers, on a GPU as many as its shared memory holds; larger networks are computed by PyTorch.

    Returns:
        One row for each point; stored column by column where compiled kernels computed it.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, or there are no weights.
    """
    arguments = Arguments("mlp")
    arguments.require("the number of weights", len(weights), allowed="1 or more", fits=len(weights) > 0)
    arguments.check("values", values, ("points", "width 0"))
    for layer, weight in enumerate(weights):
        arguments.check(f"weights[{layer}]", weight, (f"width {layer + 1}", f"width {layer}"))
    kernels = library.kernels(values)
    sizes = [values.shape[1], *(weight.shape[0] for weight in weights)]
    if kernels is None or not kernels.mlp_fits(sizes):
        return reference.mlp(values, weights)
    is_training = torch.is_grad_enabled() and (values.requires_grad or any(w.requires_grad for w in weights))
    output: Tensor = _Mlp.apply(is_training, kernels, values, *weights)  # type: ignore[no-untyped-call]
    return output


class _Mlp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, is_training: bool, kernels: Any, values: Tensor, *weights: Tensor) -> Tensor:  # noqa: FBT001
        packed = [weight.detach().contiguous() for weight in weights]
        columns = values.detach().t().contiguous()
        hidden = None
        if is_training:
            hidden = columns.new_empty(kernels.mlp_hidden_size(packed, columns.shape[1]))
            ctx.save_for_backward(columns, hidden, *packed)
            ctx.kernels = kernels
        output = columns.new_empty(len(weights[-1]), columns.shape[1])
        kernels.mlp_forward(packed, columns, hidden, output)
        return output.t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        columns, hidden, *weights = ctx.saved_tensors
        grad_weights = [torch.zeros_like(weight) for weight in weights]
        grad_columns = torch.empty_like(columns) if ctx.needs_input_grad[2] else None
        grad_output = grad.t().contiguous()
        ctx.kernels.mlp_backward(weights, columns, hidden, grad_output, grad_weights, grad_columns)
        return None, None, None if grad_columns is None else grad_columns.t(), *grad_weights
