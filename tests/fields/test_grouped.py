"""Several networks at once compute what each of them would."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from nsg_cluster.fields.grouped import Common, GroupedLinear
from nsg_cluster.fields.grouped import _padded as padded
from nsg_cluster.fields.mlp import set_precision

GROUPS = [3, 0, 4]


def layer() -> GroupedLinear:
    torch.manual_seed(0)
    made = GroupedLinear(3, 5, 2)
    torch.nn.init.normal_(made.bias)
    return made


def test_each_group_of_rows_passes_through_its_own_network() -> None:
    grouped, values = layer(), torch.randn(7, 5)
    expected = torch.cat(
        [functional.linear(values[:3], grouped.weight[0], grouped.bias[0]),
         functional.linear(values[3:], grouped.weight[2], grouped.bias[2])]
    )  # fmt: skip
    torch.testing.assert_close(grouped(values, GROUPS), expected)
    torch.testing.assert_close(padded(values, grouped.weight, grouped.bias, GROUPS), expected)


def test_what_rows_have_in_common_is_as_good_as_repeated() -> None:
    grouped, values = layer(), torch.randn(7, 3)
    common = Common(values=torch.randn(3, 2), owners=torch.tensor([0, 1, 1, 2, 2, 2, 2]), groups=[2, 0, 1])
    repeated = torch.cat([values, common.values[common.owners]], dim=1)
    torch.testing.assert_close(grouped(values, GROUPS, common), grouped(repeated, GROUPS))


def test_no_rows_give_no_rows() -> None:
    assert layer()(torch.zeros(0, 5), [0, 0, 0]).shape == (0, 2)


def test_lower_precision_is_for_the_inside_alone() -> None:
    grouped, values = layer(), torch.randn(7, 5)
    exact = grouped(values, GROUPS)
    set_precision(grouped, torch.bfloat16)
    rounded = grouped(values, GROUPS)
    assert rounded.dtype == torch.float32
    assert 0 < float((rounded - exact).detach().abs().max()) < 0.05


@pytest.mark.parametrize("networks", [1, 4])
def test_initial_weights_are_those_of_keras(networks: int) -> None:
    grouped = GroupedLinear(networks, 300, 200)
    limit = (6 / 500) ** 0.5
    assert float(grouped.weight.detach().abs().max()) <= limit
    assert float(grouped.weight.detach().std()) == pytest.approx(limit / 3**0.5, rel=0.05)
    assert not grouped.bias.any()
