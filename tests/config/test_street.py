"""The settings of a street from a command line."""

from __future__ import annotations

import pytest

from nsg_cluster.config.street import parse_street
from nsg_cluster.core.errors import ConfigError


def test_settings_are_typed_like_those_of_a_file() -> None:
    street = parse_street(["cars=6", "ego_motion=false", "move={2: [0, 0, -3.6]}", "remove=[1]"])
    assert (street.cars, street.ego_motion, street.move, street.remove) == (6, False, {2: (0.0, 0.0, -3.6)}, (1,))


def test_every_mistake_is_told_with_the_setting_that_it_is_in() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_street(["car=6", "frames", "width=wide"])
    text = str(caught.value)
    assert "setting 'car=6': car: unknown key" in text
    assert "Did you mean 'cars'?" in text
    assert "setting 'frames': write key=value" in text
    assert "setting 'width=wide': width: must be a whole number" in text
