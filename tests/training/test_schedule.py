"""The learning rate over the steps."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

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


def test_a_delay_is_the_one_of_mip_nerf() -> None:
    """``learning_rate_decay`` of multinerf: log-linear all along, times a quarter of a sine from the multiplier on."""
    factors = curve(1001, kind="exponential", warmup="delay", warmup_steps=100, warmup_from=0.1, final_factor=0.01)
    for step in (0, 1, 37, 99, 100, 101, 640, 1000):
        delay = 0.1 + 0.9 * math.sin(0.5 * math.pi * min(1.0, step / 100))
        assert factors[step] == pytest.approx(delay * 0.01 ** (step / 1000))
    assert curve(3, kind="constant", warmup="delay", warmup_steps=0, warmup_from=0.5) == [1, 1, 1]


def test_a_warm_up_may_begin_above_nothing_and_a_decay_end_before_the_training() -> None:
    """Enigmatisms: from ``min_ratio`` up, then by ``decay_rate`` in each ``decay_step`` until ``min_ratio``."""
    settings = {"kind": "exponential", "warmup_steps": 10, "warmup_from": 0.01, "final_factor": 0.01}
    factors = curve(500, **settings, decay_steps=211)
    assert factors[:10] == pytest.approx([0.01 + 0.99 * (step + 1) / 10 for step in range(10)])
    assert factors[10:211] == pytest.approx([max(0.1 ** (step / 100), 0.01) for step in range(201)])
    assert factors[211:] == pytest.approx([0.01] * 289)
    assert curve(20, kind="polynomial", warmup_steps=0, decay_steps=11)[10:] == [0.0] * 10


@pytest.mark.parametrize("kind", ["constant", "milestones"])
def test_an_end_of_what_does_not_decay_is_refused(kind: str) -> None:
    with pytest.raises(ValidationError, match=f"decay_steps says nothing where kind is '{kind}'"):
        ScheduleConfig.model_validate({"kind": kind, "decay_steps": 5})
