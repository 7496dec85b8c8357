"""Reptile: a start from which few steps lead to any of many tasks.

Nichol, Achiam and Schulman, "On First-Order Meta-Learning Algorithms", https://arxiv.org/abs/1803.02999, algorithm 1.
A task here is an object that is seen alone. Its *turn* is a run of steps on its pixels alone, from the start on; at its
end the start moves towards where these steps led: phi <- phi + rate (W - phi).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nsg_cluster.training.average import WeightAverage
from nsg_cluster.training.generators import mix

__all__ = ["Reptile", "task_of"]


def task_of(step: int, *, inner_steps: int, tasks: int, seed: int, restart: int) -> int:
    """Return the task whose turn a step (from 0) belongs to: all of them once, in some order, and then all again."""
    round_, place = divmod(step // inner_steps, tasks)
    order = torch.randperm(tasks, generator=torch.Generator().manual_seed(mix(seed, restart, round_)))
    return int(order[place])


class Reptile(WeightAverage):
    """Keeps the start, which is what is evaluated and handed on, while the model's own weights take their turns."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, *, inner_steps: int, rate: float, steps: int
    ) -> None:
        """Start from the model's weights.

        Args:
            model: What is trained.
            optimizer: Of the model; it forgets its moments at the end of a turn, for the next one has another task.
            inner_steps: Steps of a turn.
            rate: Part of the way that the start moves at the end of the first turn; that of the last one is near 0.
            steps: Steps of the whole training.
        """
        super().__init__(model, decay=0.0)
        self._optimizer, self._inner_steps, self._rate, self._steps = optimizer, inner_steps, rate, steps

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimizer step ``step``, the first of which is 1: at the end of a turn."""
        if step % self._inner_steps:
            return
        rate = self._rate * (1.0 - (step - self._inner_steps) / self._steps)
        starts: list[Tensor] = [*self._means.values()]
        weights: list[Tensor] = [*self._parameters.values()]
        torch._foreach_lerp_(starts, weights, rate)
        torch._foreach_copy_(weights, starts)
        self._optimizer.state.clear()
