"""Hash grid, spherical harmonics, truncated exponential."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.encode import HashGridLayout, hash_encode, spherical_harmonics, trunc_exp

SMALL = HashGridLayout(levels=4, features=2, log2_table_size=7, base_resolution=2, max_resolution=16)


def table_of(layout: HashGridLayout, generator: Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(layout.num_entries, layout.features, generator=generator, dtype=dtype) - 0.5


def unit_vectors(count: int, generator: Generator) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)


def test_the_layout_is_that_of_tiny_cuda_nn() -> None:
    # Published for Instant-NGP with 16 levels up to 2048: 12.2 million parameters, the first five levels dense.
    layout = HashGridLayout(levels=16, features=2, log2_table_size=19, base_resolution=16, max_resolution=2048)
    assert layout.num_entries * layout.features == 12_196_240
    assert [size < 1 << 19 for size in layout.sizes] == [True] * 5 + [False] * 11
    assert layout.resolutions[0] == 16
    assert layout.offsets[1] == 16**3


def test_the_layout_refuses_sizes_that_make_no_grid() -> None:
    with pytest.raises(ValueError, match=r"base_resolution \(8\) <= max_resolution \(4\)"):
        HashGridLayout(levels=2, features=2, log2_table_size=8, base_resolution=8, max_resolution=4)
    with pytest.raises(ValueError, match="log2_table_size is 40"):
        HashGridLayout(levels=2, features=2, log2_table_size=40, base_resolution=2, max_resolution=4)


def test_a_point_halfway_between_two_corners_gets_their_mean(backend: str) -> None:
    # One level of resolution 3: scale 2, so x = 0.5 stands at 2 * 0.5 + 0.5 = 1.5 in x, and at 1 in y and z for 0.25.
    layout = HashGridLayout(levels=1, features=1, log2_table_size=8, base_resolution=3, max_resolution=3)
    table = torch.zeros(layout.num_entries, 1)
    table[1 + 3 * (1 + 3 * 1)], table[2 + 3 * (1 + 3 * 1)] = 2.0, 6.0
    assert hash_encode(torch.tensor([[0.5, 0.25, 0.25]]), table, layout).item() == pytest.approx(4.0)


def test_a_hashed_level_looks_where_the_paper_says(backend: str) -> None:
    # Resolution 16 needs 4096 grid points, the table has 64: corner (x, y, z) is hashed (Instant-NGP, eq. 4).
    layout = HashGridLayout(levels=1, features=1, log2_table_size=6, base_resolution=16, max_resolution=16)
    corner = (5, 9, 12)
    entry = (corner[0] * 1 ^ corner[1] * 2654435761 ^ corner[2] * 805459861) % 64
    table = torch.zeros(64, 1)
    table[entry] = 1.0
    point = torch.tensor([[(c - 0.5) / 15 for c in corner]])
    assert hash_encode(point, table, layout).item() == pytest.approx(1.0, abs=1e-5)


def test_a_dense_grid_reproduces_a_linear_function(backend: str, generator: Generator) -> None:
    layout = HashGridLayout(levels=1, features=1, log2_table_size=12, base_resolution=9, max_resolution=9)
    slope = torch.tensor([1.0, -2.0, 3.0])
    cells = torch.cartesian_prod(*[torch.arange(9.0)] * 3)[:, [2, 1, 0]]
    table = torch.zeros(layout.num_entries, 1)
    table[:729, 0] = cells @ slope
    points = torch.rand(100, 3, generator=generator) * 0.9  # the last half cell wraps around
    expected = (points * layout.scales[0] + 0.5) @ slope
    torch.testing.assert_close(hash_encode(points, table, layout)[:, 0], expected, rtol=1e-5, atol=1e-4)


def test_the_definition_of_the_hash_grid_has_the_right_gradients(generator: Generator) -> None:
    points = torch.rand(5, 3, generator=generator, dtype=torch.float64).requires_grad_()
    table = table_of(SMALL, generator, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, t: hash_encode(x, t, SMALL), (points, table))


@pytest.mark.parametrize("features", [1, 2, 4, 8])
@pytest.mark.parametrize("count", [0, 1, 63, 5000])
def test_backends_agree_on_the_hash_grid(
    agree: Callable[..., None], generator: Generator, features: int, count: int
) -> None:
    layout = HashGridLayout(levels=5, features=features, log2_table_size=10, base_resolution=4, max_resolution=64)
    points = (torch.rand(count, 3, generator=generator) * 1.2 - 0.1).requires_grad_()
    table = table_of(layout, generator).requires_grad_()
    agree(lambda x, t: hash_encode(x, t, layout), (points, table), tolerance=2e-5)


def test_backends_agree_on_a_full_size_grid_and_its_border(agree: Callable[..., None], generator: Generator) -> None:
    layout = HashGridLayout(levels=16, features=2, log2_table_size=15, base_resolution=16, max_resolution=2048)
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 3)
    points = torch.cat([corners, torch.rand(300, 3, generator=generator)])
    agree(lambda t: hash_encode(points, t, layout), (table_of(layout, generator).requires_grad_(),))


def test_views_are_encoded_like_copies(backend: str, generator: Generator) -> None:
    table, points = table_of(SMALL, generator), torch.rand(20, 6, generator=generator)
    wide = torch.stack([table, table], dim=2)[:, :, 0]
    assert not wide.is_contiguous()
    assert torch.equal(hash_encode(points[:, ::2], wide, SMALL), hash_encode(points[:, ::2].clone(), table, SMALL))


def test_a_position_that_is_no_number_stays_visible(backend: str, generator: Generator) -> None:
    points = torch.tensor([[0.5, math.nan, 0.5], [0.5, 0.5, 0.5]])
    encoded = hash_encode(points, table_of(SMALL, generator), SMALL)
    assert encoded[0].isnan().all()
    assert encoded[1].isfinite().all()


def test_repeated_gradients_are_equal_to_the_last_bit_for_any_number_of_threads(
    backend: str, generator: Generator
) -> None:
    points, table = torch.rand(3000, 3, generator=generator), table_of(SMALL, generator).requires_grad_()
    grads = []
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 2):
            torch.set_num_threads(count)
            encoded = hash_encode(points, table, SMALL)
            grads.append(torch.autograd.grad(encoded.square().sum(), table)[0])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(grads[1], grads[2])
    assert backend == "torch" or torch.equal(grads[0], grads[1])


def test_wrong_tensors_get_a_sentence(backend: str, unchecked_shapes: None, generator: Generator) -> None:
    table = table_of(SMALL, generator)
    with pytest.raises(ValueError, match=r"hash_encode: points has shape \(5, 2\), expected \(points, 3\)"):
        hash_encode(torch.zeros(5, 2), table, SMALL)
    with pytest.raises(ValueError, match=r"hash_encode: table has shape \(3, 2\), expected \(\d+, 2\)"):
        hash_encode(torch.zeros(5, 3), table[:3], SMALL)
    with pytest.raises(TypeError, match="hash_encode: points is float16, expected float32 or float64"):
        hash_encode(torch.zeros(5, 3).half(), table, SMALL)
    with pytest.raises(TypeError, match="hash_encode: table is float64, expected float32 as points is"):
        hash_encode(torch.zeros(5, 3), table.double(), SMALL)
    with pytest.raises(ValueError, match="hash_encode: table is on meta, expected cpu as points is"):
        hash_encode(torch.zeros(5, 3), table.to("meta"), SMALL)
    with pytest.raises(ValueError, match="spherical_harmonics: degree is 9, expected 1 to 8"):
        spherical_harmonics(torch.zeros(5, 3), 9)


def test_harmonics_of_degree_four_are_the_published_polynomials(backend: str, generator: Generator) -> None:
    directions = unit_vectors(50, generator)
    x, y, z = directions.unbind(1)
    expected = [
        torch.full_like(x, 0.28209479),
        *(-0.48860251 * y, 0.48860251 * z, -0.48860251 * x),
        *(1.09254843 * x * y, -1.09254843 * y * z, 0.94617470 * z * z - 0.31539157),
        *(-1.09254843 * x * z, 0.54627422 * (x * x - y * y)),
        *(0.59004359 * y * (-3 * x * x + y * y), 2.89061144 * x * y * z, 0.45704580 * y * (1 - 5 * z * z)),
        *(0.37317633 * z * (5 * z * z - 3), 0.45704580 * x * (1 - 5 * z * z), 1.44530572 * z * (x * x - y * y)),
        0.59004359 * x * (-x * x + 3 * y * y),
    ]
    torch.testing.assert_close(spherical_harmonics(directions, 4), torch.stack(expected, dim=1), rtol=1e-5, atol=1e-6)


def test_harmonics_are_orthonormal_on_the_sphere() -> None:
    # Gauss-Legendre in z times even steps in the angle integrates polynomials of this degree exactly.
    z, weights = map(torch.tensor, __import__("numpy").polynomial.legendre.leggauss(16))
    angle = torch.arange(32, dtype=torch.float64) * (2 * math.pi / 32)
    r = (1 - z * z).sqrt()
    x, y = r[:, None] * angle.cos(), r[:, None] * angle.sin()
    directions = torch.stack([x, y, z[:, None].expand_as(x)], dim=-1).reshape(-1, 3)
    values = spherical_harmonics(directions, 8)
    area = (weights * (2 * math.pi / 32)).repeat_interleave(32)
    torch.testing.assert_close(values.t() @ (values * area[:, None]), torch.eye(64, dtype=torch.float64))


@pytest.mark.parametrize("degree", range(1, 9))
@pytest.mark.parametrize("count", [0, 1, 37])
def test_backends_agree_on_harmonics(agree: Callable[..., None], generator: Generator, degree: int, count: int) -> None:
    directions = unit_vectors(count, generator).requires_grad_(degree > 1)
    agree(lambda d: spherical_harmonics(d, degree), (directions,))


def test_the_definition_of_harmonics_has_the_right_gradients(generator: Generator) -> None:
    directions = unit_vectors(4, generator).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda d: spherical_harmonics(d, 8), (directions,))


def test_trunc_exp_is_exp_with_a_bounded_gradient(backend: str) -> None:
    x = torch.tensor([-200.0, -20.0, 0.0, 2.0, 20.0, 100.0], requires_grad=True)
    value = trunc_exp(x)
    torch.testing.assert_close(value, x.detach().exp(), rtol=1e-6, atol=1e-37)
    (gradient,) = torch.autograd.grad(value, x, torch.ones(6))
    torch.testing.assert_close(gradient, x.detach().clamp(-15, 15).exp(), rtol=1e-6, atol=0.0)


def test_backends_agree_on_trunc_exp(agree: Callable[..., None], generator: Generator) -> None:
    for shape in ((0,), (1,), (17, 3)):
        agree(trunc_exp, ((torch.randn(shape, generator=generator) * 10).requires_grad_(),), tolerance=1e-6)


def test_trunc_exp_keeps_what_is_no_number(backend: str) -> None:
    assert trunc_exp(torch.tensor([math.nan])).isnan().all()
