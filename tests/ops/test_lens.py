"""From pixels to directions through lenses."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.lens import LENSES, camera_directions

FOCAL, CENTER = torch.tensor([[100.0, 120.0], [80.0, 80.0]]), torch.tensor([[50.0, 40.0], [32.0, 30.0]])
COEFFICIENTS = torch.tensor([[0.1, -0.05, 0.01, 0.0, 0.002, -0.003], [-0.12, 0.03, 0.0, 0.001, 0.001, 0.0]])


def distorted(lens: str, directions: Tensor, image: int) -> Tensor:
    """Return the pixels at which a lens shows directions: OpenCV's forward model, in float64."""
    x, y = directions[:, 0] / -directions[:, 2], -directions[:, 1] / -directions[:, 2]
    k1, k2, k3, k4, p1, p2 = COEFFICIENTS[image].double()
    r = torch.hypot(x, y)
    if lens == "fisheye":
        a = r.atan()
        scale = a * (1 + k1 * a**2 + k2 * a**4 + k3 * a**6 + k4 * a**8) / r
        u, v = x * scale, y * scale
    else:
        radial = 1 + k1 * r**2 + k2 * r**4 + k3 * r**6 + k4 * r**8
        u = x * radial + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2)
        v = y * radial + 2 * p2 * x * y + p1 * (r**2 + 2 * y**2)
    return torch.stack([u, v], dim=1) * FOCAL[image] + CENTER[image]


def random_pixels(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    return torch.randint(2, (count,), generator=generator), torch.rand(count, 2, generator=generator) * 70


def test_a_pinhole_looks_along_minus_z_with_rows_downwards(backend: str) -> None:
    pixels = torch.tensor([[50.0, 40.0], [150.0, 40.0], [50.0, 160.0]])
    directions, radii = camera_directions(torch.zeros(3, dtype=torch.int64), pixels, FOCAL, CENTER)
    half = math.sqrt(0.5)
    torch.testing.assert_close(directions, torch.tensor([[0.0, 0, -1], [half, 0, -half], [0, -half, -half]]))
    assert radii[0].item() == pytest.approx(0.5 * (1 / 100 + 1 / 120) * 2 / math.sqrt(12), rel=1e-3)


@pytest.mark.parametrize("lens", ["opencv", "fisheye"])
def test_directions_are_shown_at_their_pixels(backend: str, lens: str, generator: Generator) -> None:
    wide = torch.rand(200, 2, generator=generator, dtype=torch.float64) - 0.5
    wanted = torch.nn.functional.normalize(torch.cat([wide, -torch.ones(200, 1)], dim=1), dim=1)
    for image in (0, 1):
        pixels = distorted(lens, wanted, image).float()
        images = torch.full((200,), image)
        found, radii = camera_directions(images, pixels, FOCAL, CENTER, distortion=COEFFICIENTS, lens=lens)
        torch.testing.assert_close(found, wanted.float(), rtol=0.0, atol=3e-6)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(200))
        assert (radii > 0).all()


def test_a_fisheye_sees_beside_itself(backend: str) -> None:
    # Without distortion the distance from the center is the angle: a quarter turn is straight to the right.
    pixel = torch.tensor([[50 + 100 * math.pi / 2, 40.0]])
    directions, _ = camera_directions(torch.tensor([0]), pixel, FOCAL, CENTER, lens="fisheye")
    torch.testing.assert_close(directions, torch.tensor([[1.0, 0, 0]]), rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("count", [0, 1, 300])
def test_backends_agree(agree: Callable[..., None], lens: str, count: int, generator: Generator) -> None:
    images, pixels = random_pixels(count, generator)
    for distortion in (None, COEFFICIENTS):
        # The radius is a small difference of directions: it keeps fewer digits.
        agree(
            lambda p, d=distortion: camera_directions(images, p, FOCAL, CENTER, distortion=d, lens=lens),
            (pixels,),
            tolerance=2e-4,
        )


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None, generator: Generator) -> None:
    images, pixels = random_pixels(4, generator)
    with pytest.raises(ValueError, match=r"lens is 'fishey', expected one of pinhole, opencv, fisheye\. Did you mean"):
        camera_directions(images, pixels, FOCAL, CENTER, lens="fishey")
    with pytest.raises(ValueError, match="images holds indices from 2 to 3, expected 0 to 1"):
        camera_directions(torch.tensor([2, 3, 2, 2]), pixels, FOCAL, CENTER)
    with pytest.raises(ValueError, match=r"distortion has shape \(2, 5\), expected \(images=2, 6\)"):
        camera_directions(images, pixels, FOCAL, CENTER, distortion=torch.zeros(2, 5), lens="opencv")
