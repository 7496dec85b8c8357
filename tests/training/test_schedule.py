"""The learning rate over the steps."""

from __future__ import annotations

import pytest

from nsg_cluster.config.schema import ScheduleConfig
from nsg_cluster.training.schedule import learning_rate_factor


def curve(steps: int, **settings: object) -> list[float]:
    config = ScheduleConfig.model_validate(settings)
    return [learning_rate_factor(config, step, steps) for step in range(steps)]


def test_the_rate_rises_linearly_then_falls_to_the_final_factor() -> None:
    factors = curve(101, kind="exponential", warmup_steps=4, final_factor=0.01)
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[52] == pytest.approx(0.1)
    assert factors[100] == pytest.approx(0.01)


def test_cosine_passes_the_middle_half_way() -> None:
    factors = curve(101, kind="cosine", warmup_steps=0, final_factor=0.2)
    assert [factors[0], factors[50], factors[100]] == pytest.approx([1.0, 0.6, 0.2])
    assert factors == sorted(factors, reverse=True)


def test_constant_stays_and_a_warm_up_may_be_all_there_is() -> None:
    assert curve(5, kind="constant", warmup_steps=2) == [0.5, 1, 1, 1, 1]
    assert curve(2, kind="cosine", warmup_steps=4) == [0.25, 0.5]
    assert curve(1, kind="exponential", warmup_steps=0) == [1.0]


def test_the_rate_is_lowered_at_each_milestone() -> None:
    factors = curve(20, kind="milestones", warmup_steps=2, milestones=[0.5, 0.75], milestone_factor=0.1)
    assert factors == pytest.approx([0.5, 1.0] + [1.0] * 8 + [0.1] * 5 + [0.01] * 5)


def test_a_polynomial_falls_to_nothing_at_the_end() -> None:
    factors = curve(11, kind="polynomial", warmup_steps=0, power=2.0)
    assert factors == pytest.approx([(1 - i / 10) ** 2 for i in range(11)])
