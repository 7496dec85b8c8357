"""Contraction of space and spacing of distances."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nsg_cluster.geometry.warps import contract, from_spacing, to_spacing, to_unit_cube, uncontract

NORMS: Any = ["l2", "linf"]
SPACINGS: Any = ["linear", "disparity", "piecewise"]


def points(scale: float = 3.0) -> torch.Tensor:
    return scale * torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_contraction_keeps_what_is_near_and_brings_infinity_to_two() -> None:
    near, four, far = (
        torch.tensor([[0.3, -0.4, 0.5]]),
        torch.tensor([[0.0, -4.0, 0.0]]),
        torch.tensor([[1e9, 0.0, 0.0]]),
    )
    for norm in NORMS:
        assert torch.equal(contract(near, norm), near)
        assert torch.allclose(contract(four, norm), torch.tensor([[0.0, -1.75, 0.0]])), "(2 - 1/4)"
        assert torch.allclose(contract(far, norm), torch.tensor([[2.0, 0.0, 0.0]]))
    corner = torch.tensor([[2.0, 2.0, 2.0]])
    assert torch.allclose(contract(corner, "linf"), torch.full((1, 3), 1.5)), "the cube is contracted to a cube"
    assert torch.allclose(contract(corner, "l2").norm(), torch.tensor(2 - 1 / 12**0.5))


@pytest.mark.parametrize("norm", NORMS)
def test_contraction_is_undone_by_its_inverse(norm: Any) -> None:
    assert torch.allclose(uncontract(contract(points(), norm), norm), points(), rtol=1e-10)
    inside = points(0.4)[points(0.4).norm(dim=1) < 1.9]
    assert torch.allclose(contract(uncontract(inside, norm), norm), inside, rtol=1e-10)


@pytest.mark.parametrize("norm", NORMS)
def test_the_gradient_of_contraction_is_right_and_finite_everywhere(norm: Any) -> None:
    assert torch.autograd.gradcheck(lambda x: contract(x, norm), points().requires_grad_())
    special = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1e20, 1, 0]], requires_grad=True)
    torch.autograd.backward(contract(special, norm).sum())
    assert special.grad is not None and special.grad.isfinite().all()


def test_the_box_fills_the_cube_or_the_middle_half_of_it_when_space_is_contracted() -> None:
    box = torch.tensor([[-1.0, -2.0, 0.0], [3.0, 2.0, 4.0]])
    assert torch.equal(to_unit_cube(box, box, "none"), torch.tensor([[0.0] * 3, [1.0] * 3]))
    assert torch.equal(to_unit_cube(box, box, "linf"), torch.tensor([[0.25] * 3, [0.75] * 3]))
    anywhere = to_unit_cube(points(1e3).float(), box, "l2")
    assert anywhere.min() >= 0 and anywhere.max() <= 1


@pytest.mark.parametrize("spacing", SPACINGS)
def test_spacing_goes_from_zero_to_one_and_back(spacing: Any) -> None:
    near, far = torch.tensor([0.2], dtype=torch.float64), torch.tensor([50.0], dtype=torch.float64)
    s = torch.linspace(0, 1, 101, dtype=torch.float64)[None]
    t = from_spacing(s, near, far, spacing, unit=2.0)
    assert torch.allclose(t[0, [0, -1]], torch.tensor([0.2, 50.0], dtype=torch.float64))
    assert (t.diff(dim=1) > 0).all()
    assert torch.allclose(to_spacing(t, near, far, spacing, unit=2.0), s, atol=1e-12)
    assert torch.equal(from_spacing(s, near, near, spacing), near.expand(1, 101)), (
        "a ray of no length stays at its near end"
    )


def test_equal_steps_are_equal_in_what_the_spacing_is_named_after() -> None:
    near, far, s = torch.tensor([0.5]), torch.tensor([1e3]), torch.linspace(0, 1, 50)[None]
    inverse = 1 / from_spacing(s, near, far, "disparity")[0]
    assert torch.allclose(inverse.diff(), inverse.diff()[0].expand(49), rtol=1e-3)
    t = from_spacing(s, near, far, "piecewise", unit=4.0)[0]
    close, distant = t[t < 4].diff(), (1 / t[t > 4]).diff()
    assert torch.allclose(close, close[0].expand_as(close), rtol=1e-3)
    assert torch.allclose(distant, distant[0].expand_as(distant), rtol=1e-3)
