"""Directions encoded as harmonics, blurred by roughness; and colors put together from diffuse and reflected light."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from nsg_cluster.data.procedural.surroundings import light_from
from nsg_cluster.fields.grouped import he_layer
from nsg_cluster.fields.nerf import encode
from nsg_cluster.fields.reflections import DirectionalEncoding, ReflectedColors
from nsg_cluster.fields.tone import srgb
from nsg_cluster.geometry.normals import reflected
from nsg_cluster.geometry.rotations import rotated
from nsg_cluster.ops.frequency import frequency_encode
from nsg_cluster.ops.reference.encode import spherical_harmonics

ORDERS = (1, 2, 4, 8, 16)


def some_directions(count: int, seed: int = 0) -> Tensor:
    return normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)), dim=1)


def by_order(encoded: Tensor) -> dict[int, Tensor]:
    return dict(zip(ORDERS, torch.split(encoded, [2 * order + 1 for order in ORDERS], dim=1), strict=True))


def smooth(directions: Tensor) -> Tensor:
    encoded: Tensor = DirectionalEncoding(5)(directions, torch.zeros(len(directions), 1))
    return encoded


def quadrature(heights: int = 40, turns: int = 80) -> tuple[Tensor, Tensor]:
    """Return directions and weights that integrate polynomials over the sphere exactly up to a degree of 79."""
    z, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(heights))
    turn = 2 * math.pi * torch.arange(turns, dtype=torch.float64) / turns
    across = (1 - z.square()).sqrt()
    x, y = across[:, None] * turn.cos(), across[:, None] * turn.sin()
    directions = torch.stack([x, y, z[:, None].expand_as(x)], dim=-1).flatten(0, 1)
    return directions.float(), (weights[:, None] * 2 * math.pi / turns).expand(-1, turns).flatten().float()


def test_smooth_surfaces_see_the_spherical_harmonics() -> None:
    directions = some_directions(200)
    known, found = spherical_harmonics(directions, 8), by_order(smooth(directions))
    for order in (1, 2, 4):
        expected = known[:, order**2 : (order + 1) ** 2]
        torch.testing.assert_close(found[order], expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("levels", range(1, 6))
def test_fewer_levels_are_the_first_ones(levels: int) -> None:
    directions, roughness = some_directions(20), torch.linspace(0, 1, 20)[:, None]
    encoding = DirectionalEncoding(levels)
    found = encoding(directions, roughness)
    assert found.shape[1] == encoding.width
    assert torch.equal(found, DirectionalEncoding(5)(directions, roughness)[:, : encoding.width])


def test_all_features_are_orthonormal_on_the_sphere() -> None:
    directions, weights = quadrature()
    encoded = smooth(directions).double()
    products = encoded.t() @ (weights.double()[:, None] * encoded)
    torch.testing.assert_close(products, torch.eye(67, dtype=torch.float64), rtol=0, atol=3e-6)


def test_products_of_two_directions_depend_on_their_angle_alone_as_legendre_polynomials() -> None:
    # The addition theorem, which also says what a turn of both does: nothing.
    first, second = some_directions(100), some_directions(100, seed=1)
    cosine = (first * second).sum(dim=1).double().numpy()
    one, other = by_order(smooth(first)), by_order(smooth(second))
    for order in ORDERS:
        legendre = np.polynomial.legendre.Legendre.basis(order)(cosine)
        expected = (2 * order + 1) / (4 * math.pi) * torch.from_numpy(legendre).float()
        torch.testing.assert_close((one[order] * other[order]).sum(dim=1), expected, rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("roughness", [0.01, 0.05, 0.2])
def test_rough_surfaces_see_the_mean_harmonics_of_von_mises_and_fisher(roughness: float) -> None:
    directions, weights = quadrature(heights=120, turns=240)
    for mean in some_directions(3, seed=2):
        density = weights * torch.exp((directions @ mean - 1) / roughness)
        expected = (density[:, None] * smooth(directions)).sum(dim=0) / density.sum()
        found = DirectionalEncoding(5)(mean[None], torch.tensor([[roughness]]))[0]
        # Eq. 8 is an approximation, good where the concentration is large.
        assert float((found - expected).abs().max()) < 0.2 * roughness
    assert float(found.abs().max()) > 0.05


def test_the_rougher_the_blurrier_up_to_nothing() -> None:
    directions = some_directions(10).repeat(4, 1).requires_grad_()
    roughness = torch.tensor([0.0, 0.1, 1.0, 1e30]).repeat_interleave(10)[:, None].requires_grad_()
    encoded = DirectionalEncoding(5)(directions, roughness)
    power = encoded.square().sum(dim=1).view(4, 10)
    assert (power[:-1] > power[1:]).all() and (power[-1] == 0).all()
    for gradient in torch.autograd.grad(encoded.square().sum(), [directions, roughness]):
        assert gradient.isfinite().all()


def test_gradients_of_the_encoding_are_right() -> None:
    encoding = DirectionalEncoding(4).double()
    directions = some_directions(3).double().requires_grad_()
    roughness = torch.tensor([[0.01], [0.1], [1.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(encoding, (directions, roughness))


def test_a_mirror_sends_rays_back_at_the_angle_at_which_they_come() -> None:
    directions, normals = some_directions(50), some_directions(50, seed=1)
    away = reflected(directions, normals)
    torch.testing.assert_close(away.norm(dim=1), torch.ones(50))
    torch.testing.assert_close((away * normals).sum(dim=1), -(directions * normals).sum(dim=1))
    torch.testing.assert_close(torch.linalg.cross(away, normals), torch.linalg.cross(directions, normals))
    torch.testing.assert_close(reflected(directions, -normals), away)
    assert torch.equal(reflected(directions, torch.zeros_like(normals)), directions)


def test_light_is_stored_by_the_curve_of_srgb() -> None:
    # 8-bit values and their light from the tables of the standard.
    light = torch.tensor([[0.0, 0.000303527, 0.00303527], [0.0512695, 0.214041, 1.0]])
    torch.testing.assert_close(
        255 * srgb(light), torch.tensor([[0.0, 1.0, 10.0], [64.0, 127.5, 255.0]]), atol=0.02, rtol=0
    )
    slopes = torch.linspace(0, 1, 100)[:, None].expand(-1, 3).requires_grad_()
    (slope,) = torch.autograd.grad(srgb(slopes).sum(), slopes)
    assert (slope > 0).all() and slope.isfinite().all()


def colors(**changes: object) -> ReflectedColors:
    torch.manual_seed(0)
    settings = {"bottleneck": 8, "width": 16, "hidden_layers": 6, "levels": 3} | changes
    return ReflectedColors(12, **settings)  # type: ignore[arg-type]


def inputs(count: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    features = torch.randn(count, 12, generator=torch.Generator().manual_seed(3))
    return features, some_directions(count), some_directions(count, seed=1)


def test_a_new_surface_is_half_as_bright_as_can_be() -> None:
    features, directions, normals = inputs()
    mean = colors(is_srgb=False)(torch.zeros_like(features), directions, normals).mean()
    assert 0.4 < float(mean.detach()) < 0.6
    light, stored = (colors(is_srgb=is_srgb)(features, directions, normals) for is_srgb in (False, True))
    unclipped = light < 1
    torch.testing.assert_close(stored[unclipped], srgb(light)[unclipped])


def test_colors_depend_on_where_light_is_reflected_and_on_its_angle_alone() -> None:
    features, directions, normals = inputs()
    made, away = colors(), reflected(directions, normals)
    seen = made(features, directions, normals)
    # All turned about the reflected direction: the camera is elsewhere, and what it sees is the same.
    turns = away * torch.linspace(-3, 3, 40)[:, None]
    elsewhere, tilted = rotated(directions, turns), rotated(normals, turns)
    torch.testing.assert_close(made(features, elsewhere, tilted), seen, rtol=1e-3, atol=1e-4)
    assert float((elsewhere - directions).abs().mean()) > 0.3
    assert not torch.allclose(made(features, elsewhere, normals), seen, atol=1e-3)


def test_what_reflects_nothing_looks_the_same_from_every_side() -> None:
    features, directions, normals = inputs()
    made = colors()
    with torch.no_grad():
        made.surface_head.weight[0, 3:6] = 0
        made.surface_head.bias[0, 3:6] = -200  # no tint
    seen = made(features, directions, normals)
    torch.testing.assert_close(seen, made(features, some_directions(40, seed=9), normals))
    assert float(seen.detach().std()) > 0.01


def test_noise_is_put_on_the_bottleneck_and_is_that_of_the_generator() -> None:
    told = inputs()
    quiet, noisy = colors(), colors(bottleneck_noise=0.5)
    drawn = [noisy(*told, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(noisy(*told), quiet(*told))
    assert torch.equal(quiet(*told, generator=torch.Generator().manual_seed(1)), quiet(*told))


def metal_ball(eyes: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return points of a ball of metal, the directions in which far eyes see them, and the colors that they see."""
    points = some_directions(count, seed=seed)
    owners = torch.randint(len(eyes), (count,), generator=torch.Generator().manual_seed(seed))
    directions = -eyes[owners]
    points = torch.where(((points * directions).sum(dim=1) > 0)[:, None], -points, points)
    light = light_from(reflected(directions, points).double().numpy(), 0.0)
    return points, directions, srgb(torch.from_numpy(light).float()).clamp(0, 1)


class ByView(torch.nn.Module):
    """Color by the direction of view, as wide and deep as `colors`, told normals as well."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = [12 + 27 + 3, 32, 32, 3]
        self.layers = torch.nn.ModuleList(he_layer(*pair) for pair in itertools.pairwise(sizes))

    def forward(self, features: Tensor, directions: Tensor, normals: Tensor) -> Tensor:
        hidden = torch.cat([features, encode(directions, 4), normals], dim=1)
        for layer in list(self.layers)[:-1]:
            hidden = torch.relu(layer(hidden, [len(hidden)]))
        return torch.sigmoid(self.layers[-1](hidden, [len(hidden)]))


def held_out_error(made: torch.nn.Module) -> float:
    """Train on what eight eyes see of a ball of metal, and return the squared error of what others see."""
    eyes, others = some_directions(8, seed=4), some_directions(40, seed=5)
    optimizer = torch.optim.Adam(made.parameters(), lr=5e-3)
    for step in range(250):
        points, directions, truth = metal_ball(eyes, 256, seed=step)
        optimizer.zero_grad()
        torch.autograd.backward((made(frequency_encode(points, 2), directions, points) - truth).square().mean())
        optimizer.step()
    points, directions, truth = metal_ball(others, 2000, seed=999)
    with torch.no_grad():
        return float((made(frequency_encode(points, 2), directions, points) - truth).square().mean())


def test_a_mirror_seen_from_a_few_sides_is_known_from_the_others() -> None:
    reflecting, by_view = held_out_error(colors(width=32, hidden_layers=2, levels=5)), held_out_error(ByView())
    assert reflecting < 0.2 * by_view
