"""Adam that can pass over elements whose gradient is zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.ops import buffers, library
from nsg_cluster.ops.arguments import Arguments
from nsg_cluster.ops.reference import adam as reference

__all__ = ["Adam", "adam_step"]


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
    clear_gradient: bool = False,
) -> None:
    """Change a parameter and its moments in place, by Adam with L2 penalty.

    Args:
        parameter: What is optimized; contiguous, as the other three are.
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
        clear_gradient: Set the gradient to zero afterwards, in the same pass.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device or is not contiguous, or a number is out of range.
    """
    arguments = Arguments("adam_step")
    tensors = {
        "parameter": parameter,
        "gradient": gradient,
        "first_moment": first_moment,
        "second_moment": second_moment,
    }
    for name, tensor in tensors.items():
        arguments.check(name, tensor, tuple(parameter.shape))
        arguments.require(f"{name}.stride()", tensor.stride(), allowed="contiguous", fits=tensor.is_contiguous())
    arguments.require("step", step, allowed="1 or more", fits=step >= 1)
    arguments.require("betas", betas, allowed="numbers from 0 to below 1", fits=all(0 <= beta < 1 for beta in betas))
    kernels = library.kernels(parameter)
    if kernels is not None:
        flat = [tensor.detach().view(-1) for tensor in tensors.values()]
        numbers = [float(number) for number in (learning_rate, *betas, eps, weight_decay)]
        kernels.adam_step(*flat, step, *numbers, skip_zeros, clear_gradient)
        for tensor in flat:
            tensor[:0].zero_()  # tells autograd, which cannot see the kernel, that the tensor has changed
        return
    with torch.no_grad():
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
            clear_gradient=clear_gradient,
        )


class Adam(torch.optim.Optimizer):
    """Adam as an optimizer; groups with ``skip_zeros`` are for hash tables.

    A step takes the gradients of such a group away: it leaves zeros behind, which the next backward pass of
    ``hash_encode`` fills again. Whoever wants to look at them looks before the step.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        skip_zeros: bool = False,
    ) -> None:
        """Take parameters or groups of them, as every optimizer of PyTorch does.

        Args:
            params: Parameters, or mappings with ``params`` and other values of the options below.
            lr: Learning rate.
            betas: Decay of the moments.
            eps: Added to the root of the second moment.
            weight_decay: Multiple of a parameter that is added to its gradient.
            skip_zeros: Leave elements whose gradient is exactly zero as they are.
        """
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "skip_zeros": skip_zeros}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change every parameter that has a gradient; return what the closure returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._change(parameter, group)
        return loss

    def _change(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
            state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
        state["step"] += 1
        gradient = parameter.grad.contiguous()  # type: ignore[union-attr]  # step() calls this for gradients alone
        adam_step(
            parameter,
            gradient,
            state["exp_avg"],
            state["exp_avg_sq"],
            step=state["step"],
            learning_rate=group["lr"],
            betas=group["betas"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            skip_zeros=group["skip_zeros"],
            clear_gradient=group["skip_zeros"],
        )
        if group["skip_zeros"]:
            parameter.grad = None
            buffers.keep_zeros(gradient)
