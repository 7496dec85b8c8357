"""A running mean of the weights of a model, which is smoother than the weights of any one step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """Keeps ``decay`` of the mean at each step, and less at first, so that the initial weights are soon forgotten."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._parameters, self.decay = dict(model.named_parameters()), decay
        self._means = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimizer step ``step``, the first of which is 1."""
        kept = min(self.decay, step / (step + 9.0))
        torch._foreach_lerp_(list(self._means.values()), [*self._parameters.values()], 1.0 - kept)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model compute with the mean for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> dict[str, Tensor]:
        """Return the mean of each parameter."""
        return dict(self._means)

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a mean."""
        with torch.no_grad():
            for name, mean in self._means.items():
                mean.copy_(state[name])

    def _swap(self) -> None:
        for name, parameter in self._parameters.items():
            self._means[name], parameter.data = parameter.data, self._means[name]
