"""Loss terms against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from nsg_cluster.training.losses import HUBER_DELTA, mean_squared_error, opacity_entropy, orientation, photometric


def colors(*differences: float) -> tuple[torch.Tensor, torch.Tensor]:
    truth = torch.full((len(differences), 3), 0.25, dtype=torch.float64)
    predicted = truth + torch.tensor(differences, dtype=torch.float64)[:, None]
    return predicted.requires_grad_(), truth


def test_photometric_terms_have_their_closed_forms() -> None:
    predicted, truth = (values.detach() for values in colors(0.05, -0.5))
    delta = HUBER_DELTA
    huber = (0.05**2 + (2 * delta * 0.5 - delta**2)) / 2
    charbonnier = (math.sqrt(0.05**2 + 1e-6) + math.sqrt(0.25 + 1e-6)) / 2
    assert float(mean_squared_error(predicted, truth)) == pytest.approx((0.05**2 + 0.5**2) / 2)
    assert float(photometric("mse", predicted, truth)) == pytest.approx((0.05**2 + 0.5**2) / 2)
    assert float(photometric("huber", predicted, truth)) == pytest.approx(huber)
    assert float(photometric("charbonnier", predicted, truth)) == pytest.approx(charbonnier)


def test_the_huber_slope_is_continuous_and_then_constant() -> None:
    predicted, truth = colors(0.05, HUBER_DELTA - 1e-9, HUBER_DELTA + 1e-9, 0.7, -0.7)
    (9.0 * len(predicted) / 3 * photometric("huber", predicted, truth)).backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None
    expected = [0.1, 2 * HUBER_DELTA, 2 * HUBER_DELTA, 2 * HUBER_DELTA, -2 * HUBER_DELTA]
    assert predicted.grad[:, 0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["mse", "huber", "charbonnier"])
def test_equal_colors_have_no_slope(kind: str) -> None:
    predicted, truth = colors(0.0, 0.0)
    photometric(kind, predicted, truth).backward()  # type: ignore[arg-type, no-untyped-call]
    assert predicted.grad is not None
    assert predicted.grad.abs().max() == 0


def test_entropy_is_zero_at_both_ends_and_finite_everywhere() -> None:
    opacity = torch.tensor([0.0, 1.0, 0.5, 1.0 + 1e-6], dtype=torch.float64, requires_grad=True)
    value = opacity_entropy(opacity)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == pytest.approx(0.5 * math.log(2) / 4, abs=1e-4)
    assert opacity.grad is not None and torch.isfinite(opacity.grad).all()
    peak = 1 / math.e
    assert float(opacity_entropy(torch.tensor([peak]))) > float(opacity_entropy(torch.tensor([peak + 0.05])))


def test_orientation_is_zero_where_surfaces_face_the_camera_and_known_where_they_do_not() -> None:
    weights = torch.tensor([0.5, 0.4, 0.1, 0.8])
    assert float(orientation(weights, torch.tensor([-1.0, -0.2, 0.0, -0.5]), 2)) == 0.0
    # Of two rays: one has a sample that is seen from behind at 60 degrees.
    assert float(orientation(weights, torch.tensor([-1.0, 0.5, 0.0, -0.5]), 2)) == pytest.approx(0.4 * 0.25 / 2)
