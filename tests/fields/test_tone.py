"""Curves from radiance to color."""

from __future__ import annotations

import math

import torch

from nsg_cluster.fields.tone import ToneCurves


def curves(seed: int = 0) -> ToneCurves:
    torch.manual_seed(seed)
    return ToneCurves()


def test_curves_begin_as_sigmoids_and_are_a_half_at_nothing_whatever_their_weights() -> None:
    x = torch.linspace(-6, 6, 50)[:, None].expand(-1, 3)
    made = curves()
    torch.testing.assert_close(made(x, None), torch.sigmoid(x), rtol=0, atol=0.05)
    torch.nn.init.normal_(made.heights)
    torch.testing.assert_close(made(torch.zeros(2, 3), None), torch.full((2, 3), 0.5))


def test_a_stop_more_is_twice_the_radiance() -> None:
    x, stops = torch.randn(40, 3), torch.randn(40)
    torch.testing.assert_close(curves()(x, stops), curves()(x + math.log(2) * stops[:, None], None))


def test_curves_can_be_those_of_a_camera_that_saturates() -> None:
    """``1 - exp(-exposed)``, each channel with another gain."""
    made = curves()
    optimizer = torch.optim.Adam(made.parameters(), lr=1e-2)
    x = torch.linspace(-5, 4, 200)[:, None].expand(-1, 3)
    gains = torch.tensor([1.0, math.log(2.0), 0.5])
    truth = 1 - torch.exp(-x.exp() * gains)
    shift = (math.log(math.log(2.0)) - gains.log()).expand_as(x)  # where each is a half
    for _ in range(600):
        optimizer.zero_grad()
        loss = (made(x - shift, None) - truth).square().mean()
        torch.autograd.backward(loss)
        optimizer.step()
    assert float(loss.detach()) ** 0.5 < 0.01


def test_colors_and_gradients_are_finite_at_extremes() -> None:
    made = curves()
    x = torch.tensor([[0.0, 1e-30, -1e-30], [1e4, -1e4, 80.0]], requires_grad=True)
    color = made(x, torch.tensor([-20.0, 20.0]))
    torch.autograd.backward(color.sum())
    assert bool(color.isfinite().all()) and x.grad is not None and bool(x.grad.isfinite().all())
