"""Lookahead: weights go some steps ahead by an optimizer, and then part of the way back to where they came from.

Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", https://arxiv.org/abs/1907.08610, algorithm 1. With
RAdam it is known as Ranger.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Lookahead"]


class Lookahead:
    """Keeps slow weights, which follow those of the model from time to time; the optimizer keeps its moments."""

    def __init__(self, model: nn.Module, *, every: int, share: float) -> None:
        """Start from the model's weights.

        Args:
            model: What is trained.
            every: Steps ahead.
            share: Part of the way that remains of them.
        """
        self._parameters, self._every, self._share = dict(model.named_parameters()), every, share
        self._slow = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take part of the way back after optimizer step ``step``, the first of which is 1, where it is time to."""
        if step % self._every:
            return
        slow: list[Tensor] = [*self._slow.values()]
        weights: list[Tensor] = [*self._parameters.values()]
        torch._foreach_lerp_(slow, weights, self._share)
        torch._foreach_copy_(weights, slow)

    def state(self) -> dict[str, Tensor]:
        """Return the slow weights of each parameter."""
        return dict(self._slow)

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from slow weights."""
        for name, slow in self._slow.items():
            slow.copy_(state[name])
