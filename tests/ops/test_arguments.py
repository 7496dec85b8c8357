"""The sentences that wrong tensors get."""

from __future__ import annotations

import pytest
import torch

from nsg_cluster.ops.arguments import INDICES, Arguments


def test_a_name_stands_for_one_number_in_all_arguments() -> None:
    arguments = Arguments("op")
    arguments.check("a", torch.zeros(4, 2), ("rows", 2))
    arguments.check("b", torch.zeros(4), ("rows",))
    with pytest.raises(ValueError, match=r"^op: c has shape \(5,\), expected \(rows=4\)$"):
        arguments.check("c", torch.zeros(5), ("rows",))


def test_a_dimension_too_many_is_told_with_the_names_that_are_still_open() -> None:
    with pytest.raises(ValueError, match=r"^op: a has shape \(1, 2, 3\), expected \(rows, 3\)$"):
        Arguments("op").check("a", torch.zeros(1, 2, 3), ("rows", 3))


def test_floating_dtypes_must_be_one() -> None:
    arguments = Arguments("op")
    arguments.check("a", torch.zeros(1), ("n",))
    arguments.check("i", torch.zeros(1, dtype=torch.int64), ("n",), INDICES)
    with pytest.raises(TypeError, match=r"^op: b is float64, expected float32 as a is$"):
        arguments.check("b", torch.zeros(1).double(), ("n",))


def test_what_is_no_tensor_is_named() -> None:
    with pytest.raises(TypeError, match=r"^op: a is a float, expected a tensor$"):
        Arguments("op").check("a", 1.0, ("n",))


def test_devices_must_be_one() -> None:
    arguments = Arguments("op")
    arguments.check("a", torch.zeros(1), ("n",))
    with pytest.raises(ValueError, match=r"^op: b is on meta, expected cpu as a is$"):
        arguments.check("b", torch.zeros(1, device="meta"), ("n",))


def test_empty_indices_fit_every_table() -> None:
    Arguments("op").check_indices("i", torch.zeros(0, dtype=torch.int64), lowest=0, end=0)
