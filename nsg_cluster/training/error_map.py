"""Where in the training images errors are large, to look there more often.

Images are divided into square cells, and each cell remembers the mean squared error of the pixels that were drawn in
it. Half of the pixels are drawn uniformly, the others from cells in proportion to their error, as Müller et al. do
(https://arxiv.org/abs/2201.05989, appendix E). The loss is not divided by the density: difficult places count more.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

__all__ = ["ErrorMap"]

MAX_CELLS = 1 << 16
_NEWS = 0.2
"""Share of the newest error in what a cell remembers."""


class ErrorMap:
    """Draws pixels; all of its state is ``errors``. Cells that were never looked at count as wholly wrong."""

    def __init__(self, images: int, height: int, width: int, device: torch.device) -> None:
        """Choose cells as small as their limited number allows."""
        self._width, self._height = width, height
        side = math.isqrt(images * height * width // MAX_CELLS) or 1
        while images * -(-height // side) * -(-width // side) > MAX_CELLS and side < max(height, width):
            side += 1
        self._side = side
        self._rows, self._columns = -(-height // side), -(-width // side)
        rows = torch.full((self._rows,), side)
        columns = torch.full((self._columns,), side)
        rows[-1], columns[-1] = height - side * (self._rows - 1), width - side * (self._columns - 1)
        self._area = (rows[:, None] * columns).double().flatten().to(device)
        self.errors = torch.ones(images * self._rows * self._columns, device=device)

    def draw(self, count: int, generator: Generator) -> Int[Tensor, " pixels"]:
        """Return indices of pixels, counted row by row and image by image."""
        device, cells = self.errors.device, len(self._area)
        random = torch.rand(3, count, generator=generator, device=generator.device, dtype=torch.float64).to(device)
        images = len(self.errors) // cells
        anywhere = random[0] * (images * self._height * self._width)
        until = (self.errors.view(images, cells) * self._area).flatten().cumsum(0)
        cell = torch.searchsorted(until, random[0] * until[-1], right=True).clamp(max=len(until) - 1)
        image, place = torch.div(cell, cells, rounding_mode="floor"), cell % cells
        first_row = self._side * torch.div(place, self._columns, rounding_mode="floor")
        first_column = self._side * (place % self._columns)
        row = first_row + (random[1] * (self._height - first_row).clamp(max=self._side)).long()
        column = first_column + (random[2] * (self._width - first_column).clamp(max=self._side)).long()
        wrong = (image * self._height + row) * self._width + column
        is_uniform = torch.arange(count, device=device) < count // 2
        return torch.where(is_uniform, anywhere.long(), wrong)

    def update(self, pixels: Int[Tensor, " pixels"], errors: Float[Tensor, " pixels"]) -> None:
        """Remember the errors that were found at pixels."""
        row, column = torch.div(pixels, self._width, rounding_mode="floor"), pixels % self._width
        image, row = torch.div(row, self._height, rounding_mode="floor"), row % self._height
        cell = image * self._rows + torch.div(row, self._side, rounding_mode="floor")
        cell = cell * self._columns + torch.div(column, self._side, rounding_mode="floor")
        count = torch.bincount(cell, minlength=len(self.errors))
        mean = torch.bincount(cell, weights=errors, minlength=len(self.errors)) / count.clamp(min=1)
        self.errors = torch.where(count > 0, torch.lerp(self.errors, mean.to(self.errors.dtype), _NEWS), self.errors)
