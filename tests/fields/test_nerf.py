"""The network of NeRF against the same layers written out."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from nsg_cluster.fields.grouped import Common
from nsg_cluster.fields.nerf import NerfField, encode


def test_a_coordinate_is_followed_by_its_sines_and_cosines_without_pi() -> None:
    x = torch.tensor([[0.3, -0.7, 1.1]])
    parts = [x, x.sin(), x.cos(), (2 * x).sin(), (2 * x).cos()]
    torch.testing.assert_close(encode(x, 2), torch.cat(parts, dim=1))
    assert torch.equal(encode(x, 0), x)


def test_the_layers_are_those_of_the_paper() -> None:
    field = NerfField(width=16, hidden_layers=8, color_width=8, color_layers=2, latent=3, condition=5)
    torch.manual_seed(1)
    positions, latent, known = torch.randn(6, 3), torch.randn(1, 3), torch.randn(1, 5)
    owners = torch.zeros(6, dtype=torch.long)

    def linear(name: str, values: Tensor) -> Tensor:
        state = field.state_dict()
        return functional.linear(values, state[f"{name}.weight"][0], state[f"{name}.bias"][0])

    encoded = encode(positions, 10)
    latents = latent.expand(6, 3)
    hidden = torch.cat([encoded, latents], dim=1)
    for index in range(8):
        hidden = torch.relu(linear(f"trunk.{index}", hidden))
        if index == 4:
            hidden = torch.cat([encoded, hidden, latents], dim=1)
    density = torch.relu(linear("density_head", hidden))[:, 0]
    color = torch.cat([linear("bottleneck", hidden), known.expand(6, 5)], dim=1)
    for index in range(2):
        color = torch.relu(linear(f"color_layers.{index}", color))
    color = torch.sigmoid(linear("color_head", color))

    ours, features = field.geometry(positions, latents=Common(values=latent, owners=owners, groups=[1]))
    torch.testing.assert_close(ours, density)
    torch.testing.assert_close(field.color(features, Common(values=known, owners=owners, groups=[1])), color)


def test_noise_is_added_before_the_density_is_cut_and_only_with_a_generator() -> None:
    field = NerfField(width=8, hidden_layers=2, skip=0, condition=1, density_noise=1.0)
    torch.nn.init.zeros_(field.density_head.weight)
    positions = torch.zeros(4000, 3)
    quiet = field.density(positions).detach()
    assert torch.equal(quiet, field.geometry(positions)[0])
    noisy = field.geometry(positions, generator=torch.Generator().manual_seed(0))[0].detach()
    # The mean of max(0, n) of a standard normal n.
    assert abs(float(noisy.mean() - quiet.mean()) - 1 / math.sqrt(2 * math.pi)) < 0.05
