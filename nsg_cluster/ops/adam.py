"""One step of Adam, which can pass over elements whose gradient is zero."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.ops import library
from nsg_cluster.ops.arguments import Arguments
from nsg_cluster.ops.reference import adam as reference

__all__ = ["adam_step"]


def adam_step(
    parameter: Float[Tensor, "*shape"],
    gradient: Float[Tensor, "*shape"],
    first_moment: Float[Tensor, "*shape"],
    second_moment: Float[Tensor, "*shape"],
    *,
    step: int,
    learning_rate: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float = 0.0,
    skip_zeros: bool = False,
) -> None:
    """Change a parameter and its moments in place, by Adam with L2 penalty.

    Args:
        parameter: What is optimized; contiguous, as the moments are.
        gradient: Derivative of the loss by the parameter.
        first_moment: Running mean of the gradient.
        second_moment: Running mean of its square.
        step: Number of this step, 1 for the first.
        learning_rate: Length of the step.
        betas: Decay of the moments.
        eps: Added to the root of the second moment.
        weight_decay: Multiple of the parameter that is added to its gradient.
        skip_zeros: Leave elements whose gradient is exactly zero as they are, moments included: hash entries that no
            sample touched cost nothing and do not drift.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device or is not contiguous, or a number is out of range.
    """
    arguments = Arguments("adam_step")
    state = {"parameter": parameter, "first_moment": first_moment, "second_moment": second_moment}
    for name, tensor in (*state.items(), ("gradient", gradient)):
        arguments.check(name, tensor, tuple(parameter.shape))
    for name, tensor in state.items():
        arguments.require(f"{name}.stride()", tensor.stride(), allowed="contiguous", fits=tensor.is_contiguous())
    arguments.require("step", step, allowed="1 or more", fits=step >= 1)
    arguments.require("betas", betas, allowed="numbers from 0 to 1", fits=all(0 <= beta < 1 for beta in betas))
    kernels = library.kernels(parameter)
    with torch.no_grad():
        if kernels is None:
            reference.adam_step(
                parameter,
                gradient,
                first_moment,
                second_moment,
                step=step,
                learning_rate=learning_rate,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                skip_zeros=skip_zeros,
            )
            return
        flat = [t.detach().contiguous().view(-1) for t in (parameter, gradient, first_moment, second_moment)]
        kernels.adam_step(*flat, step, learning_rate, *betas, eps, weight_decay, skip_zeros)
