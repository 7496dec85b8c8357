"""Dead starts and values that are not finite."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from nsg_cluster.core.errors import TrainingError
from nsg_cluster.training.guards import Vitals, check_finite, death
from nsg_cluster.training.objective import Score

EMPTY = Vitals(opacity=0.001, alpha=0.3, error=0.08, error_of_nothing=0.08, error_of_one_color=0.12)
OPAQUE = Vitals(opacity=0.999, alpha=0.3, error=0.12, error_of_nothing=0.08, error_of_one_color=0.12)


def test_empty_and_opaque_starts_are_dead() -> None:
    assert "every ray is empty" in (death(EMPTY) or "")
    assert "every ray is opaque" in (death(OPAQUE) or "")
    photographs = dataclasses.replace(OPAQUE, alpha=1.0, error=0.119)
    assert "every ray is opaque" in (death(photographs) or "")


@pytest.mark.parametrize(
    ("why", "vitals"),
    [
        ("opacity is in between", dataclasses.replace(EMPTY, opacity=0.3)),
        ("a scene fills the image and is matched", dataclasses.replace(OPAQUE, alpha=1.0, error=0.05)),
        ("a scene fills the image and is slowly learned", dataclasses.replace(OPAQUE, alpha=1.0, error=0.11)),
        ("an object of a few pixels is matched", dataclasses.replace(EMPTY, alpha=0.004, error=0.0001)),
        ("nothing at all is to be seen", Vitals(
            opacity=0.0, alpha=0.0, error=0.0, error_of_nothing=0.0, error_of_one_color=0.0)),
        ("a white wall is painted behind a white scene", dataclasses.replace(OPAQUE, error=0.002)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_legitimate_start_is_not_dead(why: str, vitals: Vitals) -> None:
    assert death(vitals) is None, why


def scored(value: float = 1.0) -> Score:
    loss = torch.tensor(value)
    return Score(loss=loss, terms={"photometric": loss}, squared_error=loss)


def test_a_bad_loss_or_gradient_is_named_with_its_step() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    check_finite(model, scored(), 7)
    with pytest.raises(TrainingError, match="step 7: the loss term 'photometric' is nan"):
        check_finite(model, scored(float("nan")), 7)
    gradient = model.get_parameter("1.weight").grad
    assert gradient is not None
    gradient[0, 1] = float("inf")
    with pytest.raises(TrainingError, match=r"step 9: 1 values of the gradient of '1\.weight'"):
        check_finite(model, scored(), 9)


def test_large_gradients_whose_sum_overflows_are_let_pass() -> None:
    model = nn.Linear(4, 1, bias=False)
    model.weight.grad = torch.full((1, 4), 3e38)
    check_finite(model, scored(), 1)
