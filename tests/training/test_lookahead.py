"""Weights that go ahead and part of the way back."""

from __future__ import annotations

import torch
from torch import nn

from nsg_cluster.training.lookahead import Lookahead


def model(weight: float) -> nn.Linear:
    made = nn.Linear(1, 1, bias=False)
    made.weight.data.fill_(weight)
    return made


def test_after_some_steps_a_part_of_the_way_remains() -> None:
    walker = model(10.0)
    lookahead, visited = Lookahead(walker, every=3, share=0.25), []
    for step in range(1, 7):
        walker.weight.data += 4.0
        lookahead.update(step)
        visited.append(walker.weight.item())
    # A quarter of three steps of 4 remains, twice.
    assert visited == [14, 18, 13, 17, 21, 16]


def test_slow_weights_go_on_where_they_were() -> None:
    walker = model(0.0)
    before = Lookahead(walker, every=2, share=0.5)
    walker.weight.data += 1.0
    before.update(1)
    other = model(walker.weight.item())
    after = Lookahead(other, every=2, share=0.5)
    after.load(before.state())
    for each, lookahead in ((walker, before), (other, after)):
        each.weight.data += 1.0
        lookahead.update(2)
    assert torch.equal(walker.weight, torch.ones(1, 1)) and torch.equal(other.weight, walker.weight)
