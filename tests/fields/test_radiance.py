"""The radiance field: what it depends on, and that it trains."""

from __future__ import annotations

import torch

from nsg_cluster.fields.hashgrid import HashGrid
from nsg_cluster.fields.radiance import HashRadianceField
from nsg_cluster.ops.encode import HashGridLayout


def field(scale: float = 1.0) -> HashRadianceField:
    torch.manual_seed(0)
    layout = HashGridLayout(levels=4, features=2, log2_table_size=10, base_resolution=4, max_resolution=32)
    box = scale * torch.tensor([[-1.0, -1.0, -1.0], [3.0, 1.0, 1.0]])
    return HashRadianceField(
        HashGrid(layout),
        box,
        hidden_width=16,
        density_hidden_layers=1,
        color_hidden_layers=2,
        geometry_features=7,
        direction_degree=3,
    )


def test_a_scaled_scene_looks_the_same() -> None:
    points = torch.rand(100, 3) * 2 - 1
    one, ten = field(1.0), field(10.0)
    densities, features = one.geometry(points)
    scaled_densities, scaled_features = ten.geometry(10 * points)
    assert torch.allclose(densities, 10 * scaled_densities, rtol=1e-4)
    assert torch.allclose(features, scaled_features, atol=1e-6)


def test_it_starts_as_a_thin_even_fog_of_gray() -> None:
    start = field()
    points, directions = torch.rand(500, 3) * 2 - 1, torch.nn.functional.normalize(torch.randn(500, 3), dim=1)
    densities, features = start.geometry(points)
    assert torch.allclose(densities, torch.full((500,), 0.25), rtol=1e-2), "one over the longest side of the box"
    colors = start.color(features, start.encode_directions(directions))
    assert colors.shape == (500, 3) and colors.min() > 0 and colors.max() < 1


def test_density_ignores_the_direction_and_color_follows_it() -> None:
    some = field()
    point = torch.zeros(2, 3)
    directions = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    densities, features = some.geometry(point)
    assert densities[0] == densities[1]
    colors = some.color(features, some.encode_directions(directions))
    assert not torch.allclose(colors[0], colors[1])


def test_directions_of_rays_are_as_good_as_those_of_their_points() -> None:
    some, rays = field(), torch.tensor([0, 0, 2, 3, 3, 3])
    _, features = some.geometry(torch.rand(6, 3))
    encoded = some.encode_directions(torch.nn.functional.normalize(torch.randn(4, 3), dim=1))
    expected = some.color(features, encoded[rays])
    assert torch.equal(some.color(features, encoded, rays), expected)
    wanted = encoded.clone().requires_grad_()
    colors = some.color(features, wanted, rays)
    assert torch.equal(colors, expected)
    (gradient,) = torch.autograd.grad(colors.sum(), wanted)
    assert gradient.abs().sum(dim=1).gt(0).tolist() == [True, False, True, True]


def test_every_parameter_gets_a_gradient() -> None:
    some = field()
    densities, features = some.geometry(torch.rand(5000, 3) * 2 - 1)
    directions = torch.nn.functional.normalize(torch.randn(5000, 3), dim=1)
    colors = some.color(features, some.encode_directions(directions))
    (densities.sum() + colors[:, 0].sum()).backward()  # type: ignore[no-untyped-call]
    for name, parameter in some.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
