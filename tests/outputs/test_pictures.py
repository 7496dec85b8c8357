"""Renderings as pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nsg_cluster.outputs.pictures import (
    color_picture,
    depth_picture,
    error_picture,
    material_pictures,
    normals_picture,
    shade_of,
)
from nsg_cluster.render.image import ImageRendering
from nsg_cluster.render.rendering import Materials


def rendering(depth: list[float], opacity: list[float]) -> ImageRendering:
    return ImageRendering(
        color=torch.zeros(1, len(depth), 3),
        opacity=torch.tensor([opacity]),
        depth=torch.tensor([depth]),
        median_depth=torch.tensor([[place + 1 for place in depth]]),
    )


def test_the_picture_of_the_median_depth_shows_that_and_normals_are_colors_by_axis() -> None:
    shown = rendering([2.0, 3.0], [1.0, 1.0])
    further = rendering([3.0, 4.0], [1.0, 1.0])
    median = depth_picture(shown, near=2.0, far=6.0, background=1.0, is_median=True)
    assert np.array_equal(median, depth_picture(further, near=2.0, far=6.0, background=1.0))
    normals = torch.tensor([[[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 0.0]]])
    picture = normals_picture(normals, torch.tensor([[1.0, 1.0, 0.0]]), background=1.0)
    assert picture.tolist() == [[[255, 128, 128], [128, 0, 128], [255, 255, 255]]]


def test_materials_are_seen_before_the_background_and_rough_is_bright() -> None:
    color = torch.tensor([[[1.0, 0.0, 0.2], [1.0, 0.0, 0.2]]])
    materials = Materials(diffuse=color, reflected=color / 2, roughness=torch.tensor([[0.0, 1.0]]))
    pictures = material_pictures(materials, torch.tensor([[1.0, 0.0]]), background=1.0)
    assert pictures["_diffuse"].tolist() == [[[255, 0, 51], [255, 255, 255]]]
    assert pictures["_reflected"][0, 0].tolist() == [128, 0, 26]
    assert pictures["_roughness"][0, 0].tolist() == [0, 0, 0]
    opaque = material_pictures(materials, torch.ones(1, 2), background=1.0)
    assert opaque["_roughness"][0, 1].tolist() == [128, 128, 128]


def test_colors_are_rounded_to_eight_bits_and_clipped() -> None:
    color = torch.tensor([[[0.0, 0.5, 1.0], [-0.2, 1.3, 100.4 / 255]]])
    assert color_picture(color).tolist() == [[[0, 128, 255], [0, 255, 100]]]


def test_near_is_red_far_is_blue_and_beyond_is_clipped() -> None:
    picture = depth_picture(rendering([1.0, 2.0, 6.0, 9.0], [1.0] * 4), near=2.0, far=6.0, background=1.0)[0].astype(
        int
    )
    assert picture[0].tolist() == picture[1].tolist()
    assert picture[2].tolist() == picture[3].tolist()
    assert picture[0, 0] > picture[0, 2] + 50
    assert picture[2, 2] > picture[2, 1] + 20


@pytest.mark.parametrize("background", [0.0, 1.0])
def test_depth_fades_into_the_background_where_nothing_is(background: float) -> None:
    picture = depth_picture(rendering([4.0, 4.0, 0.0], [1.0, 0.5, 0.0]), near=2.0, far=6.0, background=background)[
        0
    ].astype(float)
    assert picture[2].tolist() == [255 * background] * 3
    np.testing.assert_allclose(picture[1], (picture[0] + picture[2]) / 2, atol=1)


def test_no_error_is_black_and_a_larger_error_brighter() -> None:
    truth = torch.zeros(1, 4, 3)
    color = truth + torch.tensor([0.0, 0.1, 0.25, 1.0])[None, :, None]
    brightness = error_picture(color, truth).astype(int).sum(axis=-1)[0]
    assert brightness[0] <= 4
    assert brightness[0] < brightness[1] < brightness[2] == brightness[3]
    assert np.array_equal(error_picture(color, truth), error_picture(truth, color))


def test_backgrounds_have_their_shade() -> None:
    assert (shade_of("black"), shade_of("white")) == (0.0, 1.0)


def test_in_a_wide_range_what_is_near_keeps_most_of_the_colors() -> None:
    depths = [0.05, 1.0, 2.0, 50.0, 100.0]
    picture = depth_picture(rendering(depths, [1.0] * 5), near=0.05, far=100.0, background=1.0)[0].astype(int)
    apart = np.abs(np.diff(picture, axis=0)).sum(axis=1)
    assert apart[1] > 60, "one and two units away are told apart"
    assert apart[3] < apart[1], "fifty and a hundred hardly"
    assert picture[0, 0] > picture[0, 2] and picture[-1, 2] > picture[-1, 0], "from red to blue"
