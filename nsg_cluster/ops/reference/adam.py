"""One step of Adam, in plain PyTorch."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

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
    weight_decay: float,
    skip_zeros: bool,
    clear_gradient: bool,
) -> None:
    """Change the parameter and its moments in place (Kingma and Ba, algorithm 1; https://arxiv.org/abs/1412.6980).

    With ``skip_zeros`` an element whose gradient is exactly zero stays as it is, moments included: hash entries that no
    sample touched do not drift on old momentum (Instant-NGP, section 4).
    """
    is_moved = gradient != 0 if skip_zeros else torch.ones_like(gradient, dtype=torch.bool)
    decayed = gradient + weight_decay * parameter
    first = betas[0] * first_moment + (1 - betas[0]) * decayed
    second = betas[1] * second_moment + (1 - betas[1]) * decayed.square()
    rate = learning_rate / (1 - betas[0] ** step)
    scale = second.sqrt() / (1 - betas[1] ** step) ** 0.5 + eps
    parameter.copy_(torch.where(is_moved, parameter - rate * first / scale, parameter))
    first_moment.copy_(torch.where(is_moved, first, first_moment))
    second_moment.copy_(torch.where(is_moved, second, second_moment))
    if clear_gradient:
        gradient.zero_()
