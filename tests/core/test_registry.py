"""A named table of builders."""

from __future__ import annotations

import pytest

from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.registry import Registry


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    table: Registry[type] = Registry("loader")
    assert table.register("blender")(int) is int
    table.register("synthetic")(str)
    assert table["blender"] is int
    assert table.names == ("blender", "synthetic")
    with pytest.raises(
        ConfigError, match=r"loader 'blendr' is not one of blender, synthetic\. Did you mean 'blender'\?"
    ):
        table["blendr"]


def test_a_name_is_given_once() -> None:
    table: Registry[type] = Registry("loader")
    table.register("blender")(int)
    with pytest.raises(ValueError, match="already registered as <class 'int'>"):
        table.register("blender")(str)
    assert table["blender"] is int
