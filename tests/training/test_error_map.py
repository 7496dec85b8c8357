"""Where pixels are drawn."""

from __future__ import annotations

import pytest
import torch

from nsg_cluster.training.error_map import MAX_CELLS, ErrorMap


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [(2, 5, 7), (100, 301, 400), (3, 1000, 1), (1, 1, 1)])
def test_every_pixel_is_drawn_equally_often_as_long_as_nothing_is_known(size: tuple[int, int, int]) -> None:
    images, height, width = size
    pixels = ErrorMap(*size, torch.device("cpu")).draw(200_000, generator())
    assert pixels.min() >= 0 and pixels.max() < images * height * width
    parts = torch.histc(pixels.float(), bins=10, min=0, max=images * height * width - 1)
    if images * height * width >= 70:
        assert (parts / 200_000 - 0.1).abs().max() < 0.02
    assert torch.equal(pixels, ErrorMap(*size, torch.device("cpu")).draw(200_000, generator()))


def test_cells_are_as_small_as_their_number_allows() -> None:
    assert len(ErrorMap(2, 5, 7, torch.device("cpu")).errors) == 70, "a cell for each pixel of small images"
    assert MAX_CELLS / 2 < len(ErrorMap(100, 800, 800, torch.device("cpu")).errors) <= MAX_CELLS


def test_half_of_the_pixels_are_drawn_where_errors_were_large() -> None:
    chart, everywhere = ErrorMap(2, 8, 8, torch.device("cpu")), torch.arange(128)
    wrong = (everywhere == 70).float()
    for _ in range(60):
        chart.update(everywhere, wrong)
    pixels = chart.draw(10_000, generator())
    assert (pixels[5000:] == 70).float().mean() > 0.99
    assert (pixels[:5000] == 70).float().mean() < 0.02


def test_pixels_that_share_a_cell_share_its_error() -> None:
    chart = ErrorMap(1, 1024, 512, torch.device("cpu"))
    assert len(chart.errors) < 512 * 1024
    before = chart.errors.clone()
    chart.update(torch.tensor([512 * 700 + 300, 512 * 700 + 300, 512 * 700 + 301]), torch.tensor([0.0, 0.5, 0.1]))
    changed = torch.nonzero(chart.errors != before)[:, 0]
    assert len(changed) == 1
    assert float(chart.errors[changed]) == pytest.approx(0.8 * 1 + 0.2 * 0.2)
