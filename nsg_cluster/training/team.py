"""Several processes that train one model: each renders its share of a batch, and all add up what they found.

Their weights are equal at every step, because they begin equal and are changed by equal gradients: synchronous data
parallelism (Li et al., "PyTorch Distributed", https://arxiv.org/abs/2006.15704, section 3). One of them *leads*: it
alone writes, and its word is taken where a clock or a signal decides. Every number that decides anything else is added
up first, so that all decide alike.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch import distributed as dist

__all__ = ["ALONE", "Team"]

Request = Literal["warning", "cancel"] | None
_REQUESTS: tuple[Request, ...] = (None, "warning", "cancel")
_TOGETHER = 1 << 20
"""Gradients of fewer numbers are added up in one message; what is larger is sent by itself, and not copied."""


class Team:
    """The processes of a training, as one of them sees them.

    Args:
        rank: Which of them this is, from 0; number 0 leads.
        size: How many there are. A team of one sends nothing.
        device: Where its tensors are.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: torch.device | str = "cpu") -> None:
        self.rank, self.size, self._device = rank, size, torch.device(device)
        self.cpu_of_others_s = 0.0
        """CPU time of the other processes, as of the last `agreed`."""

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, rays: int) -> slice:
        """Return which rays of a batch this process renders; the shares differ by one ray at most."""
        return slice(self.rank * rays // self.size, (self.rank + 1) * rays // self.size)

    def sums(self, numbers: Sequence[float]) -> list[float]:
        """Return the sum of each number over all processes."""
        if self.size == 1:
            return list(numbers)
        message = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        dist.all_reduce(message)
        found: list[float] = message.tolist()
        return found

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, without its gradient."""
        if self.size == 1:
            return values
        values = values.detach().clone()
        dist.all_reduce(values)
        return values

    def gather(self, mine: Float[Tensor, "mine columns"], rays: int) -> Float[Tensor, "rays columns"]:
        """Return the rows of all rays, given those of the share of each process."""
        if self.size == 1:
            return mine
        rows = mine.new_zeros(rays, mine.shape[1])
        rows[self.share(rays)] = mine
        dist.all_reduce(rows)
        return rows

    def agreed(self, requested: Request) -> Request:
        """Return what the leading process was asked for, in all of them."""
        if self.size == 1:
            return requested
        mine = 0.0 if self.leads else time.process_time()
        asked, self.cpu_of_others_s = self.sums([_REQUESTS.index(requested) if self.leads else 0, mine])
        return _REQUESTS[int(asked)]

    @torch.no_grad()
    def sum_gradients(self, model: nn.Module) -> None:
        """Add up the gradients of all processes. One that none of them has stays absent."""
        if self.size == 1:
            return
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        owners = self.sums([parameter.grad is not None for parameter in parameters])
        wanted = [parameter for parameter, count in zip(parameters, owners, strict=True) if count]
        for parameter in wanted:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in wanted if parameter.grad is not None]
        small = [gradient for gradient in gradients if gradient.numel() < _TOGETHER]
        for gradient in gradients:
            if gradient.numel() >= _TOGETHER:
                dist.all_reduce(gradient)
        if small:
            message = torch.cat([gradient.flatten() for gradient in small])
            dist.all_reduce(message)
            parts = torch.split(message, [gradient.numel() for gradient in small])
            torch._foreach_copy_(small, [part.view_as(old) for part, old in zip(parts, small, strict=True)])


ALONE = Team()
"""The team of a training in one process."""
